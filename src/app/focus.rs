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
pub enum Pointer {
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
pub enum Choice {
    All,
    Largest,
    Centre,
    Click,
    Draw,
}

impl Choice {
    pub const ALL: [Choice; 5] = [Choice::All, Choice::Largest, Choice::Centre, Choice::Click, Choice::Draw];

    /// Name shown to people.
    pub fn text(self) -> &'static str {
        match self {
            Choice::All => "everybody",
            Choice::Largest => "the largest person",
            Choice::Centre => "the person in the middle",
            Choice::Click => "one person (click)",
            Choice::Draw => "a box drawn by hand",
        }
    }
}

/// The pointer's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Focus {
    pub target: Option<Target>,
    pub pointer: Pointer,
}

impl Focus {
    /// What the panel shows as chosen; `everyone` counts while nobody was pointed at.
    pub fn choice(&self, everyone: Everyone) -> Choice {
        match (self.pointer, self.target) {
            (Pointer::Draw, _) | (Pointer::Free, Some(Target::Box(_))) => Choice::Draw,
            (Pointer::Click, _) | (Pointer::Free, Some(Target::Place(_))) => Choice::Click,
            (Pointer::Free, None) => match everyone {
                Everyone::All => Choice::All,
                Everyone::Largest => Choice::Largest,
                Everyone::Centre => Choice::Centre,
            },
        }
    }

    /// Takes a choice; one of those without a pointer goes to `everyone`.
    pub fn choose(&mut self, choice: Choice, everyone: &mut Everyone) {
        let mut all = |chosen| {
            *everyone = chosen;
            Focus::default()
        };
        *self = match choice {
            Choice::All => all(Everyone::All),
            Choice::Largest => all(Everyone::Largest),
            Choice::Centre => all(Everyone::Centre),
            Choice::Click => Focus { target: None, pointer: Pointer::Click },
            // Whoever is followed goes on until the box is drawn.
            Choice::Draw => Focus { pointer: Pointer::Draw, ..*self },
        };
    }

    /// Somebody was chosen: the pointer is free again.
    pub fn follow(&mut self, target: Target) {
        *self = Focus { target: Some(target), pointer: Pointer::Free };
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
        for choice in Choice::ALL {
            let (mut focus, mut everyone) = (Focus::default(), Everyone::Centre);
            focus.choose(choice, &mut everyone);
            assert_eq!(focus.choice(everyone), choice);
            focus.choose(Choice::All, &mut everyone);
            assert_eq!((focus, everyone), (Focus::default(), Everyone::All));
        }
    }

    #[test]
    fn drawing_a_box_or_clicking_frees_the_pointer() {
        let mut focus = Focus { target: None, pointer: Pointer::Draw };
        focus.follow(Target::Box(BBox::whole(10, 10)));
        assert_eq!((focus.pointer, focus.choice(Everyone::All)), (Pointer::Free, Choice::Draw));
        focus.follow(Target::Place([1.0, 2.0]));
        assert_eq!(focus.choice(Everyone::Largest), Choice::Click);
    }
}
