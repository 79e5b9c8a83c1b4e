//! Which instruction set the kernels use, and the kernels compiled for each.

use super::attention::{self, Attend, AttendGradient, Embed, NormRows, Transpose};
use super::batch_norm::{self, ChannelMoments, NormGradient, NormSums, ScaleChannels};
use super::channel_gate::{self, GateChannels, GateGradient};
use super::combine::{self, Double, Gate, MaxPool, Sum};
use super::convolution::{self, Convolution};
use super::depthwise::{self, DepthwiseRow};
use super::input_gradient::{self, DepthwiseInput, StridedInput};
#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
use super::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::pack::{self, Packed, PackedDepthwise};
use super::peak::{self, Peak};
use super::rows::{self, LayerNormGradient};
use super::slope::{self, ActivationGradient, ColumnSums, Shrink, ShuffleGradient, SpreadGradient};
use super::weight_gradient::{self, WeightGradient};
use super::winograd::{self, Winograd};
use std::fmt;
use std::sync::OnceLock;

/// The environment variable that names the instruction set to use.
pub const SIMD_VARIABLE: &str = "TMPOSE_SIMD";

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 (F, BW, DQ, VL): 16 numbers at once.
    Avx512,
    /// AVX2 and FMA: 8 numbers at once.
    Avx2,
    /// NEON: 4 numbers at once.
    Neon,
    /// What every processor has.
    Portable,
}

impl InstructionSet {
    /// All of them, the fastest first.
    pub const ALL: [InstructionSet; 4] =
        [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Neon, InstructionSet::Portable];

    /// As in `TMPOSE_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Avx512 => "avx512",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Neon => "neon",
            InstructionSet::Portable => "portable",
        }
    }

    /// As its makers write it.
    pub fn title(self) -> &'static str {
        match self {
            InstructionSet::Avx512 => "AVX-512",
            InstructionSet::Avx2 => "AVX2",
            InstructionSet::Neon => "NEON",
            InstructionSet::Portable => "no vector instructions",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        self.kernels().is_some()
    }

    /// Its kernels, where this processor has it.
    pub fn kernels(self) -> Option<&'static KernelTable> {
        match self {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => (is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma"))
            .then_some(&avx512::KERNELS),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
                .then_some(&avx2::KERNELS),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => Some(&neon::KERNELS),
            InstructionSet::Portable => Some(&portable::KERNELS),
            #[allow(unreachable_patterns)] // Sets of other processors.
            _ => None,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `TMPOSE_SIMD` names nothing that this processor has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{SIMD_VARIABLE}={0} is no instruction set of this processor: leave it out, or use one of {1}")]
pub struct SimdError(String, String);

/// The set that `wanted` names; without a name the fastest that this processor has.
///
/// # Errors
/// The processor does not have it, or there is none of that name.
pub fn choose(wanted: Option<&str>) -> Result<&'static KernelTable, SimdError> {
    let mut available = InstructionSet::ALL.into_iter().filter_map(InstructionSet::kernels);
    let found = available.clone().find(|kernels| wanted.is_none_or(|name| name == kernels.set.name()));
    found.ok_or_else(|| {
        let names: Vec<&str> = available.by_ref().map(|kernels| kernels.set.name()).collect();
        SimdError(wanted.unwrap_or_default().to_owned(), names.join(", "))
    })
}

/// The set that `TMPOSE_SIMD` names, or the fastest.
///
/// # Errors
/// `TMPOSE_SIMD` names nothing that this processor has.
pub fn chosen() -> Result<&'static KernelTable, SimdError> {
    choose(std::env::var(SIMD_VARIABLE).ok().as_deref())
}

/// The kernels of this process: those that [`chosen`] finds, or, where it finds none, the fastest. The program looks at
/// [`chosen`] when it starts.
pub fn kernels() -> &'static KernelTable {
    static KERNELS: OnceLock<&'static KernelTable> = OnceLock::new();
    KERNELS.get_or_init(|| chosen().or_else(|_| choose(None)).unwrap_or(&portable::KERNELS))
}

/// The kernels of one instruction set. What each needs stands at the generic function of its name.
pub struct KernelTable {
    /// The set.
    pub set: InstructionSet,
    /// Numbers in a vector.
    pub lanes: usize,
    /// [`pack::pack`].
    pub pack: fn(&[f32], &[f32], usize, usize) -> Packed,
    /// [`pack::pack_depthwise`].
    pub pack_depthwise: fn(&[f32], &[f32], usize) -> PackedDepthwise,
    /// [`winograd::pack_winograd`].
    pub pack_winograd: fn(&[f32], &[f32], usize, usize) -> Packed,
    /// [`convolution::convolution`].
    pub convolution: unsafe fn(&Convolution),
    /// [`winograd::winograd`].
    pub winograd: unsafe fn(&Winograd),
    /// [`depthwise::depthwise`].
    pub depthwise: unsafe fn(&DepthwiseRow),
    /// [`combine::sum`].
    pub sum: unsafe fn(&Sum),
    /// [`combine::double`].
    pub double: unsafe fn(&Double),
    /// [`combine::max_pool`].
    pub max_pool: unsafe fn(&MaxPool),
    /// [`combine::gate`].
    pub gate: unsafe fn(&Gate),
    /// [`attention::norm_rows`].
    pub norm_rows: unsafe fn(&NormRows),
    /// [`attention::transpose`].
    pub transpose: unsafe fn(&Transpose),
    /// [`attention::attend`].
    pub attend: unsafe fn(&Attend),
    /// [`attention::embed`].
    pub embed: unsafe fn(&Embed),
    /// [`weight_gradient::dense_weights`].
    pub dense_weights: unsafe fn(&WeightGradient),
    /// [`weight_gradient::depthwise_weights`].
    pub depthwise_weights: unsafe fn(&WeightGradient),
    /// [`input_gradient::strided_input`].
    pub strided_input: unsafe fn(&StridedInput),
    /// [`input_gradient::depthwise_input`].
    pub depthwise_input: unsafe fn(&DepthwiseInput),
    /// [`slope::activation_gradient`].
    pub activation_gradient: unsafe fn(&ActivationGradient),
    /// [`slope::shuffle_gradient`].
    pub shuffle_gradient: unsafe fn(&ShuffleGradient),
    /// [`slope::column_sums`].
    pub column_sums: unsafe fn(&ColumnSums),
    /// [`slope::shrink`].
    pub shrink: unsafe fn(&Shrink),
    /// [`slope::double_gradient`].
    pub double_gradient: unsafe fn(&SpreadGradient),
    /// [`slope::max_pool_gradient`].
    pub max_pool_gradient: unsafe fn(&SpreadGradient),
    /// [`rows::layer_norm_gradient`].
    pub layer_norm_gradient: unsafe fn(&LayerNormGradient),
    /// [`attention::attend_gradient`].
    pub attend_gradient: unsafe fn(&AttendGradient),
    /// [`channel_gate::gate_channels`].
    pub gate_channels: unsafe fn(&GateChannels),
    /// [`channel_gate::gate_gradient`].
    pub gate_gradient: unsafe fn(&GateGradient),
    /// [`batch_norm::channel_moments`].
    pub channel_moments: unsafe fn(&ChannelMoments),
    /// [`batch_norm::scale_channels`].
    pub scale_channels: unsafe fn(&ScaleChannels),
    /// [`batch_norm::norm_sums`].
    pub norm_sums: unsafe fn(&NormSums),
    /// [`batch_norm::norm_gradient`].
    pub norm_gradient: unsafe fn(&NormGradient),
    /// [`peak::peak`].
    pub peak: unsafe fn(&Peak),
}

impl fmt::Debug for KernelTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelTable({})", self.set)
    }
}

/// Compiles every kernel for one instruction set. One entry an operation, never one a tile: what an entry calls is
/// inlined into it.
macro_rules! kernels_for {
    ($module:ident, $set:expr, $lanes:ty $(, $features:literal)?) => {
        mod $module {
            use super::*;

            /// The kernels of this set.
            pub static KERNELS: KernelTable = KernelTable {
                set: $set,
                lanes: <$lanes as crate::cpu::lanes::Lanes>::N,
                pack: pack::pack::<$lanes>,
                pack_depthwise: pack::pack_depthwise::<$lanes>,
                pack_winograd: winograd::pack_winograd::<$lanes>,
                convolution: entries::convolution,
                winograd: entries::winograd,
                depthwise: entries::depthwise,
                sum: entries::sum,
                double: entries::double,
                max_pool: entries::max_pool,
                gate: entries::gate,
                norm_rows: entries::norm_rows,
                transpose: entries::transpose,
                attend: entries::attend,
                embed: entries::embed,
                dense_weights: entries::dense_weights,
                depthwise_weights: entries::depthwise_weights,
                strided_input: entries::strided_input,
                depthwise_input: entries::depthwise_input,
                activation_gradient: entries::activation_gradient,
                shuffle_gradient: entries::shuffle_gradient,
                column_sums: entries::column_sums,
                shrink: entries::shrink,
                double_gradient: entries::double_gradient,
                max_pool_gradient: entries::max_pool_gradient,
                layer_norm_gradient: entries::layer_norm_gradient,
                attend_gradient: entries::attend_gradient,
                gate_channels: entries::gate_channels,
                gate_gradient: entries::gate_gradient,
                channel_moments: entries::channel_moments,
                scale_channels: entries::scale_channels,
                norm_sums: entries::norm_sums,
                norm_gradient: entries::norm_gradient,
                peak: entries::peak,
            };

            mod entries {
                use super::*;

                kernels_for! {
                    @entries $lanes, [$($features)?]
                    convolution::convolution(Convolution);
                    winograd::winograd(Winograd);
                    depthwise::depthwise(DepthwiseRow);
                    combine::sum(Sum);
                    combine::double(Double);
                    combine::max_pool(MaxPool);
                    combine::gate(Gate);
                    attention::norm_rows(NormRows);
                    attention::transpose(Transpose);
                    attention::attend(Attend);
                    attention::embed(Embed);
                    weight_gradient::dense_weights(WeightGradient);
                    weight_gradient::depthwise_weights(WeightGradient);
                    input_gradient::strided_input(StridedInput);
                    input_gradient::depthwise_input(DepthwiseInput);
                    slope::activation_gradient(ActivationGradient);
                    slope::shuffle_gradient(ShuffleGradient);
                    slope::column_sums(ColumnSums);
                    slope::shrink(Shrink);
                    slope::double_gradient(SpreadGradient);
                    slope::max_pool_gradient(SpreadGradient);
                    rows::layer_norm_gradient(LayerNormGradient);
                    attention::attend_gradient(AttendGradient);
                    channel_gate::gate_channels(GateChannels);
                    channel_gate::gate_gradient(GateGradient);
                    batch_norm::channel_moments(ChannelMoments);
                    batch_norm::scale_channels(ScaleChannels);
                    batch_norm::norm_sums(NormSums);
                    batch_norm::norm_gradient(NormGradient);
                    peak::peak(Peak);
                }
            }
        }
    };
    (@entries $lanes:ty, $features:tt $($module:ident::$name:ident($job:ident);)*) => {
        $(kernels_for!(@entry $lanes, $features, $module, $name, $job);)*
    };
    (@entry $lanes:ty, [$($features:literal)?], $module:ident, $name:ident, $job:ident) => {
        $(#[target_feature(enable = $features)])?
        pub unsafe fn $name(job: &$job) {
            // SAFETY: the caller keeps the kernel's contract; `InstructionSet::kernels` looked for the features.
            unsafe { $module::$name::<$lanes>(job) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels_for!(avx512, InstructionSet::Avx512, Avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels_for!(avx2, InstructionSet::Avx2, Avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
kernels_for!(neon, InstructionSet::Neon, Neon);
kernels_for!(portable, InstructionSet::Portable, Portable<{ cfg!(target_feature = "fma") }>);
// Slow where products and sums cannot be fused, but with the bits of the others: what tests compare with.
#[cfg(test)]
kernels_for!(portable_fused, InstructionSet::Portable, Portable<true>);

/// The kernels of every instruction set of this machine, and the portable ones with fused products and sums.
#[cfg(test)]
pub fn all_available() -> Vec<&'static KernelTable> {
    let fused = std::iter::once(&portable_fused::KERNELS);
    InstructionSet::ALL.into_iter().filter_map(InstructionSet::kernels).chain(fused).collect()
}

/// Runs a check for the lanes of every instruction set of this machine.
#[cfg(test)]
pub fn each_available(check: &impl super::lanes::tests::LanesCheck) {
    // SAFETY: each set was found on this machine; plain Rust is there always.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if InstructionSet::Avx512.is_available() {
            check.run::<Avx512>("avx512");
        }
        #[cfg(target_arch = "x86_64")]
        if InstructionSet::Avx2.is_available() {
            check.run::<Avx2>("avx2");
        }
        #[cfg(target_arch = "aarch64")]
        check.run::<Neon>("neon");
        check.run::<Portable<true>>("portable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_set_is_chosen_and_any_can_be_forced() {
        let fastest = choose(None).unwrap().set;
        assert!(InstructionSet::ALL.into_iter().find(|set| set.is_available()) == Some(fastest));
        assert_eq!(choose(Some("portable")).unwrap().set, InstructionSet::Portable);
        for wrong in ["sse9", "", "AVX2"] {
            let message = choose(Some(wrong)).unwrap_err().to_string();
            assert!(message.contains(SIMD_VARIABLE) && message.contains("portable"), "{message}");
        }
    }
}
