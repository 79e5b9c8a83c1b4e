//! What a joint's name means, however a data set spells it.

/// A joint's side and body part in one spelling; equal for `left_hip`, `l_hip`, `LHip`, `hip-left`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JointName {
    /// The side of the body; [`Side::Middle`] where the name states none.
    pub side: Side,
    /// The body part in small letters, as our skeletons spell it where they know it, such as `hip` or `upper_neck`.
    pub part: String,
}

/// Side of the body from the person's own view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The person's left, as in `left_hip`.
    Left,
    /// The person's right, as in `right_hip`.
    Right,
    /// Neither, as in `nose`.
    Middle,
}

impl Side {
    /// The side that this one becomes in a mirror.
    pub fn mirrored(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
            Side::Middle => Side::Middle,
        }
    }
}

/// Words for one thing; the first is the one that our skeletons use. `neck` is the upper neck, as in
/// LSP, CrowdPose and JHMDB; PoseTrack calls it `head_bottom`.
const ALIASES: [(&str, &[&str]); 11] = [
    ("shoulder", &["sho", "shou"]),
    ("elbow", &["elb", "elbo"]),
    ("wrist", &["wri", "wris"]),
    ("knee", &["kne"]),
    ("ankle", &["ank", "ankl"]),
    ("hip", &["hips"]),
    ("eye", &["eyes"]),
    ("upper_neck", &["neck", "upperneck", "neck_upper", "head_bottom"]),
    ("head_top", &["top_head", "headtop", "top_of_head", "head"]),
    ("pelvis", &["mid_hip", "midhip", "hip_center", "hip_centre"]),
    ("thorax", &["mid_shoulder", "shoulder_center", "shoulder_centre"]),
];

/// Parts that a side may be glued to, as in `lshoulder`. (`rear` may be anything.)
const GLUED: [&str; 8] = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "foot"];

impl JointName {
    /// Reads a name in any of the usual spellings. A part that our skeletons do not know stays as it is, in small
    /// letters with `_` between its words.
    pub fn parse(name: &str) -> JointName {
        let mut side = Side::Middle;
        let mut part: Vec<String> = Vec::new();
        for word in words(name) {
            match (side, word.as_str()) {
                (Side::Middle, "left" | "l") => side = Side::Left,
                (Side::Middle, "right" | "r") => side = Side::Right,
                _ => part.push(word),
            }
        }
        let mut part = known(&part.join("_"));
        if side == Side::Middle {
            for (letter, glued) in [('l', Side::Left), ('r', Side::Right)] {
                let rest = part.strip_prefix(letter).map(known);
                if let Some(rest) = rest.filter(|r| GLUED.contains(&r.as_str())) {
                    (side, part) = (glued, rest);
                    break;
                }
            }
        }
        JointName { side, part }
    }

    /// The joint that this one becomes in a mirror.
    pub fn mirrored(&self) -> JointName {
        JointName { side: self.side.mirrored(), part: self.part.clone() }
    }
}

fn known(part: &str) -> String {
    let alias = ALIASES.iter().find(|(_, others)| others.contains(&part));
    alias.map_or(part, |(name, _)| name).to_string()
}

/// The words of a name in small letters: split at anything that is no letter or digit, and where a
/// capital follows a small letter or begins a word (`leftHip`, `LHip`).
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (i, &c) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|b| letters[b]);
        let next_is_small = letters.get(i + 1).is_some_and(|n| n.is_lowercase());
        let begins = c.is_uppercase()
            && before.is_some_and(|b| b.is_lowercase() || (b.is_uppercase() && next_is_small));
        if !c.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_joint_are_equal() {
        let hip = JointName::parse("left_hip");
        assert_eq!(hip, JointName { side: Side::Left, part: "hip".into() });
        for name in ["l_hip", "Left Hip", "leftHip", "LHip", "hip-left", "L.hip", "lhip", "LEFT_HIP"] {
            assert_eq!(JointName::parse(name), hip, "{name}");
        }
        for (name, wanted) in [
            ("rsho", "right_shoulder"),
            ("neck", "upper_neck"),
            ("Rank", "right_ankle"),
            ("MidHip", "pelvis"),
        ] {
            assert_eq!(JointName::parse(name), JointName::parse(wanted), "{name}");
        }
    }

    #[test]
    fn names_of_other_things_stay_apart() {
        assert_ne!(JointName::parse("left_hip"), JointName::parse("right_hip"));
        for name in ["lip", "rear", "root", "lower_back", "nose"] {
            assert_eq!(JointName::parse(name).side, Side::Middle, "{name}");
        }
        assert_eq!(JointName::parse("left_ear").mirrored(), JointName::parse("right_ear"));
    }
}
