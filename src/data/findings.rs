//! What can look wrong in a set, and the rules that find it in annotations.

use super::set::{PersonAnnotation, PoseSet};
use super::sides::SidePairs;
use super::teacher::{TeacherJoint, TeacherLabels, TeacherRules};
use crate::pose::Keypoint;
use serde::Serialize;

/// A box whose longer side is shorter than this shows too little, in pixels.
const TINY: f32 = 32.0;
/// A joint may lie this far outside of its box, relative to the box's longer side.
const BEYOND_BOX: f32 = 0.15;
/// A joint may lie this far outside of its picture, in pixels.
const BEYOND_PICTURE: f32 = 1.5;
/// Part of somebody's joints that teachers contradict, from which on the person is named.
const CONTRADICTED: f32 = 0.34;

/// Kinds of findings, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The picture's file is not there.
    MissingPicture,
    /// The picture cannot be decoded.
    UndecodablePicture,
    /// The picture has another size than the annotation file states.
    WrongSize,
    /// The annotation contradicts the layout.
    BadAnnotation,
    /// An earlier annotation has the same id.
    RepeatedId,
    /// Left and right look exchanged.
    LeftRight,
    /// Teacher labels contradict the annotator's.
    TeacherDisagrees,
    /// A joint lies outside of its picture.
    JointOutsidePicture,
    /// A joint lies outside of its box.
    JointOutsideBox,
    /// The box leaves its picture.
    BoxOutside,
    /// The box is too small to show much.
    TinyBox,
}

impl FindingKind {
    /// All kinds, the gravest first.
    pub const ALL: [FindingKind; 11] = [
        FindingKind::MissingPicture,
        FindingKind::UndecodablePicture,
        FindingKind::WrongSize,
        FindingKind::BadAnnotation,
        FindingKind::RepeatedId,
        FindingKind::LeftRight,
        FindingKind::TeacherDisagrees,
        FindingKind::JointOutsidePicture,
        FindingKind::JointOutsideBox,
        FindingKind::BoxOutside,
        FindingKind::TinyBox,
    ];

    /// What was found, for a table.
    pub fn title(self) -> &'static str {
        match self {
            FindingKind::MissingPicture => "missing pictures",
            FindingKind::UndecodablePicture => "pictures that cannot be decoded",
            FindingKind::WrongSize => "pictures of another size than stated",
            FindingKind::BadAnnotation => "bad annotations",
            FindingKind::RepeatedId => "repeated annotation ids",
            FindingKind::LeftRight => "left and right perhaps exchanged",
            FindingKind::TeacherDisagrees => "far from the teacher labels",
            FindingKind::JointOutsidePicture => "joints outside of the picture",
            FindingKind::JointOutsideBox => "joints far outside of the box",
            FindingKind::BoxOutside => "boxes that leave the picture",
            FindingKind::TinyBox => "tiny boxes",
        }
    }

    /// A word or two for a caption.
    pub fn short(self) -> &'static str {
        match self {
            FindingKind::MissingPicture => "missing",
            FindingKind::UndecodablePicture => "unreadable",
            FindingKind::WrongSize => "wrong size",
            FindingKind::BadAnnotation => "bad",
            FindingKind::RepeatedId => "repeated id",
            FindingKind::LeftRight => "left/right?",
            FindingKind::TeacherDisagrees => "teachers?",
            FindingKind::JointOutsidePicture => "off picture",
            FindingKind::JointOutsideBox => "off box",
            FindingKind::BoxOutside => "box cut",
            FindingKind::TinyBox => "tiny",
        }
    }
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The annotation's id (for MPII the entry's place in the file), where one person is meant.
    pub annotation: Option<u64>,
    /// File name of the picture; empty where none is meant.
    pub picture: String,
    /// What is wrong, in words.
    pub text: String,
    /// Larger is worse, among findings of one kind.
    pub severity: f32,
    /// Index into [`PoseSet::persons`].
    #[serde(skip)]
    pub person: Option<usize>,
}

/// What the reader left out or noticed.
pub(super) fn listed(set: &PoseSet) -> Vec<Finding> {
    let finding = |kind, annotation, picture: &str, text: String| Finding {
        kind,
        annotation,
        picture: picture.into(),
        text,
        severity: 0.0,
        person: None,
    };
    let report = &set.report;
    let missing = report.missing_images.iter();
    let missing =
        missing.map(|n| finding(FindingKind::MissingPicture, None, n, "the file is not there".into()));
    let bad = report.bad.iter().map(|why| finding(FindingKind::BadAnnotation, None, "", why.clone()));
    let repeated = report.repeated_ids.iter().map(|&id| {
        let text = "another annotation has the same id; teacher labels belong to both".into();
        finding(FindingKind::RepeatedId, Some(id), "", text)
    });
    missing.chain(bad).chain(repeated).collect()
}

/// What looks wrong about one person, by its index. `set` has its own joints.
pub(super) fn of_person(
    set: &PoseSet,
    index: usize,
    sides: &SidePairs,
    teacher: Option<&TeacherLabels>,
) -> Vec<Finding> {
    let person = &set.persons[index];
    let labels = teacher.and_then(|t| t.of(person.id));
    let mut suspicions = about_labels(set, person, sides, labels);
    suspicions.extend(about_joint_positions(set, person));
    suspicions.extend(about_box(set, person));
    let picture = file_name(&set.image_of(person).path);
    let finding = |s: Suspicion| Finding {
        kind: s.kind,
        annotation: Some(person.id),
        picture: picture.clone(),
        text: s.text,
        severity: s.severity,
        person: Some(index),
    };
    suspicions.into_iter().map(finding).collect()
}

/// A [`Finding`] about a person who is known.
struct Suspicion {
    kind: FindingKind,
    severity: f32,
    text: String,
}

/// The longer side of a person's box in pixels, at least 1.
fn longer_side(person: &PersonAnnotation) -> f32 {
    person.bbox.w.max(person.bbox.h).max(1.0)
}

/// Exchanged sides, else a teacher who disagrees.
fn about_labels(
    set: &PoseSet,
    person: &PersonAnnotation,
    sides: &SidePairs,
    labels: Option<&[TeacherJoint]>,
) -> Vec<Suspicion> {
    let exchanged = match labels {
        Some(labels) => sides.against_teacher(person, labels),
        None => sides.against_itself(person, &set.skeleton),
    };
    if let Some(e) = exchanged {
        return vec![Suspicion { kind: FindingKind::LeftRight, severity: e.severity, text: e.what }];
    }
    let Some(labels) = labels else { return Vec::new() };
    let (rules, side) = (TeacherRules::default(), longer_side(person));
    let wrong = labels.iter().zip(&person.keypoints).filter(|(l, k)| rules.mistrusts(l, k, side)).count();
    let severity = wrong as f32 / person.labelled().max(1) as f32;
    if severity <= CONTRADICTED {
        return Vec::new();
    }
    let text = format!("{wrong} of {} joints lie far from two public models'", person.labelled());
    vec![Suspicion { kind: FindingKind::TeacherDisagrees, severity, text }]
}

/// The joint farthest outside of the picture, and the one farthest outside of the box.
fn about_joint_positions(set: &PoseSet, person: &PersonAnnotation) -> Vec<Suspicion> {
    let beyond = |k: &Keypoint, low: [f32; 2], high: [f32; 2]| {
        let axis = |v: f32, low: f32, high: f32| (low - v).max(v - high).max(0.0);
        axis(k.x, low[0], high[0]).max(axis(k.y, low[1], high[1]))
    };
    let worst = |low: [f32; 2], high: [f32; 2]| {
        let labelled = person.keypoints.iter().enumerate().filter(|(_, k)| k.score > 0.0);
        let apart = labelled.map(|(j, k)| (beyond(k, low, high), j));
        apart.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
    };
    let name = |joint: usize| set.skeleton.joints[joint].replace('_', " ");
    let (size, b, side) = (set.image_of(person).size, &person.bbox, longer_side(person));
    let [w, h] = [size.width, size.height].map(|side| side as f32);
    let mut suspicions = Vec::new();
    let (apart, joint) = worst([0.0; 2], [w - 1.0, h - 1.0]);
    if apart > BEYOND_PICTURE {
        let text = format!("the {} lies {apart:.0} pixels outside of the picture", name(joint));
        suspicions.push(Suspicion { kind: FindingKind::JointOutsidePicture, severity: apart, text });
    }
    let (apart, joint) = worst([b.x, b.y], [b.x + b.w - 1.0, b.y + b.h - 1.0]);
    if apart > BEYOND_BOX * side {
        let text = format!("the {} lies {apart:.0} pixels outside of the box", name(joint));
        suspicions.push(Suspicion { kind: FindingKind::JointOutsideBox, severity: apart / side, text });
    }
    suspicions
}

/// A box that leaves its picture, and a tiny one.
fn about_box(set: &PoseSet, person: &PersonAnnotation) -> Vec<Suspicion> {
    let (b, side) = (&person.bbox, longer_side(person));
    let mut suspicions = Vec::new();
    if person.outside > set.outside_limit {
        let text = format!("{:.0} % of the box lies outside of the picture", 100.0 * person.outside);
        suspicions.push(Suspicion { kind: FindingKind::BoxOutside, severity: person.outside, text });
    }
    if side < TINY {
        let text = format!("the box is {:.0} x {:.0} pixels", b.w, b.h);
        suspicions.push(Suspicion { kind: FindingKind::TinyBox, severity: TINY - side, text });
    }
    suspicions
}

/// The name of a picture's file, without folders.
pub(super) fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
