//! Which category of an annotation file are people.

use super::coco::CocoCategory;
use crate::data::lenient::Id;
use crate::pose::Skeleton;
use std::collections::HashSet;

/// COCO's id of the category "person".
const COCO_PERSON: u64 = 1;
/// What people are called.
const NAMES: [&str; 4] = ["person", "people", "human", "pedestrian"];

/// The category ids that mean people.
#[derive(Clone, Debug, PartialEq)]
pub enum PersonCategories {
    /// A file without categories has only people.
    All,
    /// One of these; an annotation without a category is a person, too.
    These(HashSet<u64>),
}

impl PersonCategories {
    /// Those named person, else those whose joints fit `skeleton` best, else the only one, else COCO's.
    pub(super) fn of(categories: &[CocoCategory], skeleton: Option<&Skeleton>) -> PersonCategories {
        let ids_of = |fits: &dyn Fn(&CocoCategory) -> bool| -> Option<PersonCategories> {
            let ids: HashSet<u64> = categories.iter().filter(|c| fits(c)).filter_map(|c| c.id.0).collect();
            (!ids.is_empty()).then_some(PersonCategories::These(ids))
        };
        let is_person = |name: &str| NAMES.iter().any(|person| name.trim().eq_ignore_ascii_case(person));
        let named = || ids_of(&|c| c.name.as_deref().is_some_and(is_person));
        let common = |category: &CocoCategory| {
            let known = skeleton.unwrap_or(Skeleton::coco17());
            let joints = category.keypoints.iter().flatten();
            joints.filter(|joint| known.joints.contains(joint)).count()
        };
        let most = categories.iter().map(common).max().unwrap_or(0);
        let fitting = || if most > 0 { ids_of(&|c| common(c) == most) } else { None };
        let with_joints = || ids_of(&|c| c.keypoints.as_ref().is_some_and(|joints| !joints.is_empty()));
        let only = || if categories.len() == 1 { ids_of(&|_| true) } else { None };
        if categories.is_empty() {
            return PersonCategories::All;
        }
        let found = named().or_else(fitting).or_else(with_joints).or_else(only);
        found.unwrap_or_else(|| PersonCategories::These(HashSet::from([COCO_PERSON])))
    }

    /// Those of a list of detections, which names no categories: COCO's id, or 0 where classes are counted from 0.
    pub fn of_detections(categories: impl Iterator<Item = Id>) -> PersonCategories {
        let from_zero = categories.into_iter().any(|category| category.0 == Some(0));
        PersonCategories::These(HashSet::from([if from_zero { 0 } else { COCO_PERSON }]))
    }

    /// Whether an annotation of this category is a person.
    pub fn has(&self, category: Id) -> bool {
        match (self, category.0) {
            (PersonCategories::All, _) | (_, None) => true,
            (PersonCategories::These(ids), Some(id)) => ids.contains(&id),
        }
    }
}

/// What a file calls a category.
pub(super) fn category_name(category: Id, categories: &[CocoCategory]) -> String {
    let named = categories.iter().find(|c| c.id == category).and_then(|c| c.name.clone());
    named.unwrap_or_else(|| category.0.map_or("no category".into(), |id| format!("category {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn persons(categories: Value) -> Vec<u64> {
        let categories: Vec<CocoCategory> = serde_json::from_value(categories).unwrap();
        let PersonCategories::These(ids) = PersonCategories::of(&categories, None) else { return Vec::new() };
        let mut ids: Vec<u64> = ids.into_iter().collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn people_are_known_by_name_then_by_their_joints() {
        let dog = json!({"id": 2, "name": "dog", "keypoints": ["nose", "tail"]});
        assert_eq!(persons(json!([dog, {"id": 7, "name": "Person "}])), [7]);
        // Roboflow's files have a category above the others.
        assert_eq!(persons(json!([{"id": 0, "name": "my-set"}, {"id": 1, "name": "people"}])), [1]);
        assert_eq!(
            persons(json!([dog, {"id": 3, "name": "runner", "keypoints": ["nose", "left_eye"]}])),
            [3]
        );
        assert_eq!(
            persons(json!([{"id": 1, "name": "car"}, {"id": 4, "name": "x", "keypoints": ["a"]}])),
            [4]
        );
        assert_eq!(persons(json!([{"id": 9, "name": "runner"}])), [9]);
        assert_eq!(persons(json!([{"id": 9, "name": "cat"}, {"id": 8, "name": "car"}])), [COCO_PERSON]);
        assert_eq!(PersonCategories::of(&[], None), PersonCategories::All);
    }

    #[test]
    fn classes_counted_from_0_begin_with_the_person() {
        let of = |ids: &[u64]| PersonCategories::of_detections(ids.iter().map(|id| Id(Some(*id))));
        let has = |people: PersonCategories, id: u64| people.has(Id(Some(id)));
        assert!(has(of(&[1, 3]), 1) && !has(of(&[1, 3]), 3));
        assert!(has(of(&[0, 1]), 0) && !has(of(&[0, 1]), 1));
        assert!(of(&[1]).has(Id(None)), "a detection without a class is a person");
    }
}
