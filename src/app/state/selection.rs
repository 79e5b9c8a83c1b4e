//! The person who was selected in the picture, by a click or by a box drawn by hand. A selection belongs to the source
//! on display and is forgotten with it.

use crate::live::LiveResult;
use crate::track::{FollowMode, TrackedPerson};
use crate::vision::BBox;

/// Keypoints below this score are left out of a person's box.
const MIN_SCORE: f32 = 0.2;

/// What the pointer does in the picture, besides moving it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointerMode {
    /// A click follows a person.
    #[default]
    Free,
    /// The same, and the window asks for the click.
    Click,
    /// Dragging draws a box.
    Draw,
}

/// The choices of who is followed, as the panel offers them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FollowChoice {
    /// A mode that needs no pointer.
    Automatic(FollowMode),
    /// The person who is clicked on.
    Click,
    /// The person in a box drawn by hand.
    Draw,
}

impl FollowChoice {
    /// In the order of the panel.
    pub const ALL: [FollowChoice; 5] = [
        FollowChoice::Automatic(FollowMode::All),
        FollowChoice::Automatic(FollowMode::Largest),
        FollowChoice::Automatic(FollowMode::Centre),
        FollowChoice::Click,
        FollowChoice::Draw,
    ];

    /// The name in the panel.
    pub fn text(self) -> &'static str {
        match self {
            FollowChoice::Automatic(FollowMode::All) => "everybody",
            FollowChoice::Automatic(FollowMode::Largest) => "the largest person",
            FollowChoice::Automatic(FollowMode::Centre) => "the person in the middle",
            FollowChoice::Automatic(FollowMode::Point(_)) | FollowChoice::Click => "one person (click)",
            FollowChoice::Automatic(FollowMode::Drawn(_)) | FollowChoice::Draw => "a box drawn by hand",
        }
    }
}

/// The pointer's selection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PersonSelection {
    /// [`FollowMode::Point`] or [`FollowMode::Drawn`], in pixels of the picture; `None` when no person is selected.
    pub target: Option<FollowMode>,
    /// What the pointer does now.
    pub pointer: PointerMode,
}

impl PersonSelection {
    /// What the panel shows as chosen; `mode` counts while no person is selected.
    pub fn choice(&self, mode: FollowMode) -> FollowChoice {
        match (self.pointer, self.target) {
            (PointerMode::Draw, _) | (PointerMode::Free, Some(FollowMode::Drawn(_))) => FollowChoice::Draw,
            (PointerMode::Click, _) | (PointerMode::Free, Some(FollowMode::Point(_))) => FollowChoice::Click,
            (PointerMode::Free, _) => FollowChoice::Automatic(mode),
        }
    }

    /// Takes a choice; one that needs no pointer goes to `mode`.
    pub fn choose(&mut self, choice: FollowChoice, mode: &mut FollowMode) {
        *self = match choice {
            FollowChoice::Automatic(chosen) => {
                *mode = chosen;
                PersonSelection::default()
            }
            FollowChoice::Click => PersonSelection { target: None, pointer: PointerMode::Click },
            // The person who is followed stays followed until the box is drawn.
            FollowChoice::Draw => PersonSelection { pointer: PointerMode::Draw, ..*self },
        };
    }

    /// Selects a person and frees the pointer.
    pub fn select(&mut self, target: FollowMode) {
        *self = PersonSelection { target: Some(target), pointer: PointerMode::Free };
    }
}

/// Where a person is: around the confident keypoints, or else the box that was estimated.
pub fn person_bounds(person: &TrackedPerson) -> BBox {
    BBox::around_body(&person.pose.keypoints, MIN_SCORE).unwrap_or(person.bbox)
}

/// The box of the person at a point of the picture; the smallest where several overlap. People whom the
/// detector found count too, so that one can be chosen who is not followed.
pub fn person_at(result: &LiveResult, [x, y]: [f32; 2]) -> Option<BBox> {
    let people = result.people.iter().map(person_bounds);
    people
        .chain(result.detections.iter().map(|d| d.bbox))
        .filter(|b| x >= b.x && y >= b.y && x < b.x + b.w && y < b.y + b.h)
        .min_by(|a, b| a.area().total_cmp(&b.area()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;

    #[test]
    fn every_choice_shows_as_chosen_and_leads_back_to_everybody() {
        for choice in FollowChoice::ALL {
            let (mut selection, mut mode) = (PersonSelection::default(), FollowMode::Centre);
            selection.choose(choice, &mut mode);
            assert_eq!(selection.choice(mode), choice);
            selection.choose(FollowChoice::Automatic(FollowMode::All), &mut mode);
            assert_eq!((selection, mode), (PersonSelection::default(), FollowMode::All));
        }
    }

    #[test]
    fn drawing_a_box_or_clicking_frees_the_pointer() {
        let mut selection = PersonSelection { target: None, pointer: PointerMode::Draw };
        selection.select(FollowMode::Drawn(BBox::whole(Size::square(10))));
        assert_eq!(
            (selection.pointer, selection.choice(FollowMode::All)),
            (PointerMode::Free, FollowChoice::Draw)
        );
        selection.select(FollowMode::Point([1.0, 2.0]));
        assert_eq!(selection.choice(FollowMode::Largest), FollowChoice::Click);
    }
}
