//! Published figures on masks and keep ratios (docs/METHOD.md, "Published figures"), for comparison with what we
//! measure.

use crate::cli::output::markdown_table;
use crate::model::{Counting, KeepRatio, MaskKind, PoseNetConfig, Variant, keep_count};
use crate::pose::Skeleton;

/// Table 4 of the TMPose paper, TMPose-B with ground-truth boxes on COCO val2017: mask, keep ratio, AP, AR,
/// GFLOPs and GFLOPs^T. The first line's GFLOPs are Table 2's for TokenPose-B.
const TABLE_4: [(MaskKind, f64, [&str; 4]); 10] = [
    (MaskKind::None, 1.0, ["75.6", "78.4", "5.7", "1.29"]),
    (MaskKind::Random, 0.8, ["75.6", "78.4", "5.2", "0.85"]),
    (MaskKind::Uniform, 0.8, ["75.6", "78.3", "5.2", "0.85"]),
    (MaskKind::Block, 0.8, ["75.5", "78.2", "5.2", "0.85"]),
    (MaskKind::Random, 0.6, ["75.3", "78.0", "4.9", "0.51"]),
    (MaskKind::Uniform, 0.6, ["75.2", "77.9", "4.9", "0.51"]),
    (MaskKind::Block, 0.6, ["75.1", "77.8", "4.9", "0.51"]),
    (MaskKind::Random, 0.4, ["75.0", "77.8", "4.6", "0.26"]),
    (MaskKind::Uniform, 0.4, ["74.9", "77.7", "4.6", "0.26"]),
    (MaskKind::Block, 0.4, ["74.6", "77.4", "4.6", "0.26"]),
];

/// Rows of Table 2, COCO val2017 at 256x192: method, parameters in millions, GFLOPs, GFLOPs^T, AP, AR.
const TABLE_2: [[&str; 6]; 9] = [
    ["HRNet-W32", "28.5", "7.1", "-", "74.4", "79.8"],
    ["Lite-HRNet-18", "1.1", "0.2", "-", "64.8", "71.2"],
    ["Lite-HRNet-30", "1.8", "0.31", "-", "67.2", "73.3"],
    ["TokenPose-B*", "13.5", "5.7", "1.29", "75.6", "78.4"],
    ["TokenPose-L/D6*", "20.8", "10.3", "1.93", "76.7", "79.4"],
    ["TokenPose-L/D24*", "27.5", "11.0", "2.57", "76.9", "79.6"],
    ["TMPose-B* (0.6 random)", "13.5", "4.9", "0.51", "75.3", "78.0"],
    ["TMPose-L/D6*", "20.8", "9.2", "0.75", "76.3", "79.2"],
    ["TMPose-L/D24*", "27.5", "9.4", "1.00", "76.7", "79.2"],
];

/// The published figures in Markdown with remarks. `set` is the title of the set that ours were measured on.
pub fn markdown(set: &str) -> String {
    let config = PoseNetConfig::new(Variant::B, Skeleton::coco17());
    let row = |(mask, ratio, numbers): &(MaskKind, f64, [&str; 4])| {
        let tokens = keep_count(*mask, KeepRatio::constant(*ratio), config.tokens());
        let macs = config.macs(tokens, Counting::Reference);
        let [ap, ar, gflops, part] = numbers.map(str::to_owned);
        let gmac = |n: u64| format!("{:.2}", n as f64 / 1e9);
        let counted = [gmac(macs.total()), gmac(macs.transformer())];
        [mask.to_string(), ratio.to_string(), ap, ar, gflops, part].into_iter().chain(counted).collect()
    };
    let names = ["mask", "kept", "AP", "AR", "GFLOPs", "GFLOPs^T", "our GMAC", "our GMAC T"];
    let table_4 = markdown_table(&names, &TABLE_4.iter().map(row).collect::<Vec<_>>());
    let cells: Vec<Vec<String>> = TABLE_2.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
    let table_2 = markdown_table(&["method", "params M", "GFLOPs", "GFLOPs^T", "AP", "AR"], &cells);
    format!(
        "\n## Published\n\nAs printed in the TMPose paper, in percent; measured on all of COCO val2017 with other \
         weights, where ours are on {set}. Our GMAC counts the same networks by the reference count.\n\nTable 4, \
         TMPose-B*:\n\n{table_4}\nFrom Table 2:\n\n{table_2}\nKeep in mind:\n\n\
         - `*` means ground-truth boxes; the other rows used a detector with 56.4 AP, which costs about 1 AP.\n\
         - The GFLOPs columns mix conventions. Those of TokenPose and TMPose come from a counter that takes a \
         linear layer's number of tokens for its input width and leaves out the products of attention.\n\
         - The L/D6 row mixes two networks: its GFLOPs are those of 18 layers, its parameters those of 6.\n\
         - The paper's masks are drawn at random during the test too, once and without a seed; the differences \
         between masks at one ratio are at most 0.4 AP, and no spread is given.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_arithmetic_is_what_the_papers_counter_says() {
        let config = PoseNetConfig::new(Variant::B, Skeleton::coco17());
        for (mask, ratio, [.., gflops, part]) in TABLE_4 {
            // The paper gives one figure for all masks of a ratio; block keeps up to three tokens less.
            let mask = if mask == MaskKind::Block { MaskKind::Random } else { mask };
            let macs = config
                .macs(keep_count(mask, KeepRatio::constant(ratio), config.tokens()), Counting::Repository);
            let unit = f64::from(1 << 30);
            assert_eq!(format!("{:.1}", macs.total() as f64 / unit), gflops, "{mask} {ratio}");
            assert_eq!(format!("{:.2}", macs.transformer() as f64 / unit), part, "{mask} {ratio}");
        }
    }

    #[test]
    fn the_caveats_stand_beside_the_figures() {
        let text = markdown("people_coco/val");
        for part in
            ["| block | 0.4 | 74.6 | 77.4 | 4.6 | 0.26 | 5.3", "ground-truth boxes", "people_coco/val"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(text.lines().filter(|l| l.starts_with("- ")).count(), 4);
    }
}
