//! Whom the pointer chose in the picture: a click on a person, or a box drawn by hand. It belongs to the
//! source on show and is forgotten with it.

use super::preferences::Everyone;
use crate::live::LiveResult;
use crate::track::TrackedPerson;
use crate::vision::BBox;

/// Keypoints below this score say nothing about where the person is.
const MIN_SCORE: f32 = 0.2;
/// A person's box is larger than that of the joints: the head's top, the hands and the feet stick out.
const AROUND_JOINTS: f32 = 1.2;

/// Whom to follow, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The person who is at this place now.
    Place([f32; 2]),
    /// Whoever is in this box now.
    Box(BBox),
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowChoice {
    All,
    Largest,
    Centre,
    Click,
    Draw,
}

impl FollowChoice {
    pub const ALL: [FollowChoice; 5] = [
        FollowChoice::All,
        FollowChoice::Largest,
        FollowChoice::Centre,
        FollowChoice::Click,
        FollowChoice::Draw,
    ];

    /// Name shown to people.
    pub fn text(self) -> &'static str {
        match self {
            FollowChoice::All => "everybody",
            FollowChoice::Largest => "the largest person",
            FollowChoice::Centre => "the person in the middle",
            FollowChoice::Click => "one person (click)",
            FollowChoice::Draw => "a box drawn by hand",
        }
    }
}

/// The pointer's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PersonSelection {
    pub target: Option<Target>,
    pub pointer: PointerMode,
}

impl PersonSelection {
    /// What the panel shows as chosen; `everyone` counts while nobody was pointed at.
    pub fn choice(&self, everyone: Everyone) -> FollowChoice {
        match (self.pointer, self.target) {
            (PointerMode::Draw, _) | (PointerMode::Free, Some(Target::Box(_))) => FollowChoice::Draw,
            (PointerMode::Click, _) | (PointerMode::Free, Some(Target::Place(_))) => FollowChoice::Click,
            (PointerMode::Free, None) => match everyone {
                Everyone::All => FollowChoice::All,
                Everyone::Largest => FollowChoice::Largest,
                Everyone::Centre => FollowChoice::Centre,
            },
        }
    }

    /// Takes a choice; one of those without a pointer goes to `everyone`.
    pub fn choose(&mut self, choice: FollowChoice, everyone: &mut Everyone) {
        let mut all = |chosen| {
            *everyone = chosen;
            PersonSelection::default()
        };
        *self = match choice {
            FollowChoice::All => all(Everyone::All),
            FollowChoice::Largest => all(Everyone::Largest),
            FollowChoice::Centre => all(Everyone::Centre),
            FollowChoice::Click => PersonSelection { target: None, pointer: PointerMode::Click },
            // Whoever is followed goes on until the box is drawn.
            FollowChoice::Draw => PersonSelection { pointer: PointerMode::Draw, ..*self },
        };
    }

    /// Somebody was chosen: the pointer is free again.
    pub fn follow(&mut self, target: Target) {
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
            let (mut focus, mut everyone) = (PersonSelection::default(), Everyone::Centre);
            focus.choose(choice, &mut everyone);
            assert_eq!(focus.choice(everyone), choice);
            focus.choose(FollowChoice::All, &mut everyone);
            assert_eq!((focus, everyone), (PersonSelection::default(), Everyone::All));
        }
    }

    #[test]
    fn drawing_a_box_or_clicking_frees_the_pointer() {
        let mut focus = PersonSelection { target: None, pointer: PointerMode::Draw };
        focus.follow(Target::Box(BBox::whole(10, 10)));
        assert_eq!((focus.pointer, focus.choice(Everyone::All)), (PointerMode::Free, FollowChoice::Draw));
        focus.follow(Target::Place([1.0, 2.0]));
        assert_eq!(focus.choice(Everyone::Largest), FollowChoice::Click);
    }
}
