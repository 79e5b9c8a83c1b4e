//! The kinds of environments.

/// What sort of place an environment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EnvironmentKind {
    Room,
    Park,
    /// A roll of paper that is floor and wall.
    Studio,
    Street,
    Gym,
    /// Colours out of focus, without a place.
    Blur,
}

impl EnvironmentKind {
    /// Every kind, in the order in which scenes take turns.
    pub(super) const ALL: [EnvironmentKind; 6] = [
        EnvironmentKind::Room,
        EnvironmentKind::Park,
        EnvironmentKind::Studio,
        EnvironmentKind::Street,
        EnvironmentKind::Gym,
        EnvironmentKind::Blur,
    ];

    /// Under the sky.
    pub(super) fn outdoors(self) -> bool {
        matches!(self, EnvironmentKind::Park | EnvironmentKind::Street)
    }
}
