//! Whom the pointer chose in the picture: a click on a person, or a box drawn by hand. It belongs to the
//! source on show and is forgotten with it.

use crate::live::LiveResult;
use crate::track::{FollowMode, TrackedPerson};
use crate::vision::BBox;

/// Keypoints below this score say nothing about where the person is.
const MIN_SCORE: f32 = 0.2;
/// A person's box is larger than that of the joints: the head's top, the hands and the feet stick out.
const AROUND_JOINTS: f32 = 1.2;

/// What the pointer does in the picture, beside moving it.
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

/// Who is followed, as the panel offers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FollowChoice {
    /// A mode that needs no pointer.
    Automatic(FollowMode),
    /// The person who is clicked.
    Click,
    /// Whoever is in a box drawn by hand.
    Draw,
}

impl FollowChoice {
    pub const ALL: [FollowChoice; 5] = [
        FollowChoice::Automatic(FollowMode::All),
        FollowChoice::Automatic(FollowMode::Largest),
        FollowChoice::Automatic(FollowMode::Centre),
        FollowChoice::Click,
        FollowChoice::Draw,
    ];

    /// Name shown to people.
    pub fn text(self) -> &'static str {
        match self {
            FollowChoice::Automatic(FollowMode::Largest) => "the largest person",
            FollowChoice::Automatic(FollowMode::Centre) => "the person in the middle",
            FollowChoice::Automatic(_) => "everybody",
            FollowChoice::Click => "one person (click)",
            FollowChoice::Draw => "a box drawn by hand",
        }
    }
}

/// The pointer's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PersonSelection {
    /// [`FollowMode::Point`] or [`FollowMode::Drawn`].
    pub target: Option<FollowMode>,
    pub pointer: PointerMode,
}

impl PersonSelection {
    /// What the panel shows as chosen; `automatic` counts while nobody was chosen in the picture.
    pub fn choice(&self, automatic: FollowMode) -> FollowChoice {
        match (self.pointer, self.target) {
            (PointerMode::Draw, _) | (PointerMode::Free, Some(FollowMode::Drawn(_))) => FollowChoice::Draw,
            (PointerMode::Click, _) | (PointerMode::Free, Some(_)) => FollowChoice::Click,
            (PointerMode::Free, None) => FollowChoice::Automatic(automatic),
        }
    }

    /// Takes a choice; one that needs no pointer goes to `automatic`.
    pub fn choose(&mut self, choice: FollowChoice, automatic: &mut FollowMode) {
        *self = match choice {
            FollowChoice::Automatic(mode) => {
                *automatic = mode;
                PersonSelection::default()
            }
            FollowChoice::Click => PersonSelection { target: None, pointer: PointerMode::Click },
            // Whoever is followed goes on until the box is drawn.
            FollowChoice::Draw => PersonSelection { pointer: PointerMode::Draw, ..*self },
        };
    }

    /// Somebody was chosen ([`FollowMode::Point`] or [`FollowMode::Drawn`]): the pointer is free again.
    pub fn follow(&mut self, target: FollowMode) {
        *self = PersonSelection { target: Some(target), pointer: PointerMode::Free };
    }
}

/// Where a person is: around the sure keypoints, or the box that was looked at.
pub fn extent(person: &TrackedPerson) -> BBox {
    let joints = BBox::around(&person.pose.keypoints, MIN_SCORE);
    joints.map_or(person.bbox, |around| around.expanded(AROUND_JOINTS))
}

/// The box of the person at a place of the picture; the smallest where several overlap. People whom the
/// detector found count too, so that one can be chosen who is not followed.
pub fn person_at(result: &LiveResult, [x, y]: [f32; 2]) -> Option<BBox> {
    let people = result.people.iter().map(extent);
    people
        .chain(result.found.iter().map(|d| d.bbox))
        .filter(|b| x >= b.x && y >= b.y && x < b.x + b.w && y < b.y + b.h)
        .min_by(|a, b| a.area().total_cmp(&b.area()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_shows_as_chosen_and_leads_back_to_everybody() {
        for choice in FollowChoice::ALL {
            let (mut focus, mut automatic) = (PersonSelection::default(), FollowMode::Centre);
            focus.choose(choice, &mut automatic);
            assert_eq!(focus.choice(automatic), choice);
            focus.choose(FollowChoice::Automatic(FollowMode::All), &mut automatic);
            assert_eq!((focus, automatic), (PersonSelection::default(), FollowMode::All));
        }
    }

    #[test]
    fn drawing_a_box_or_clicking_frees_the_pointer() {
        let mut focus = PersonSelection { target: None, pointer: PointerMode::Draw };
        focus.follow(FollowMode::Drawn(BBox::whole(10, 10)));
        assert_eq!((focus.pointer, focus.choice(FollowMode::All)), (PointerMode::Free, FollowChoice::Draw));
        focus.follow(FollowMode::Point([1.0, 2.0]));
        assert_eq!(focus.choice(FollowMode::Largest), FollowChoice::Click);
    }
}
