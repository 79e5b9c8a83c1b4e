//! Which visual tokens the layers of a network worked on.

/// The visual tokens that a network worked on, by person and layer. A mask drops the same tokens for everybody in front
/// of the first layer; a network that prunes decides for each person, and keeps fewer from layer to layer.
///
/// Tokens are numbers of the grid's cells, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptTokens {
    /// Ordered by layer; the first begins at layer 0. Empty where no network ran.
    stages: Vec<TokenStage>,
}

/// The tokens from one layer on, until the next stage begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenStage {
    /// The first layer that works on these tokens, counted from 0.
    pub first_layer: usize,
    /// The tokens.
    pub tokens: PersonTokens,
}

/// The tokens of the persons of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonTokens {
    /// The same for each person.
    Shared(Vec<usize>),
    /// A row for each person.
    Own(Vec<Vec<usize>>),
}

impl PersonTokens {
    /// The tokens of person number `person`; none for a person who is not there.
    pub fn of(&self, person: usize) -> &[usize] {
        match self {
            PersonTokens::Shared(tokens) => tokens,
            PersonTokens::Own(rows) => rows.get(person).map_or(&[], Vec::as_slice),
        }
    }

    /// The tokens of `persons` persons followed by `more` of `others` persons.
    fn joined(self, persons: usize, more: PersonTokens, others: usize) -> PersonTokens {
        if self == more && matches!(self, PersonTokens::Shared(_)) {
            return self;
        }
        let rows = |tokens: PersonTokens, count: usize| match tokens {
            PersonTokens::Shared(row) => vec![row; count],
            PersonTokens::Own(rows) => rows,
        };
        let mut all = rows(self, persons);
        all.extend(rows(more, others));
        PersonTokens::Own(all)
    }
}

impl KeptTokens {
    /// The same tokens for every person and layer.
    pub fn shared(tokens: Vec<usize>) -> KeptTokens {
        KeptTokens::from_first(PersonTokens::Shared(tokens))
    }

    /// Each person's own tokens, the same in every layer.
    pub fn own(rows: Vec<Vec<usize>>) -> KeptTokens {
        KeptTokens::from_first(PersonTokens::Own(rows))
    }

    fn from_first(tokens: PersonTokens) -> KeptTokens {
        KeptTokens { stages: vec![TokenStage { first_layer: 0, tokens }] }
    }

    /// These tokens until layer `first_layer`, and `tokens` from there on.
    ///
    /// # Panics
    /// When the stages before begin at `first_layer` or behind it.
    pub fn pruned_to(mut self, first_layer: usize, tokens: PersonTokens) -> KeptTokens {
        let last = self.stages.last().map_or(0, |stage| stage.first_layer);
        assert!(first_layer > last, "stages follow one another: {first_layer} is not behind {last}");
        self.stages.push(TokenStage { first_layer, tokens });
        self
    }

    /// The tokens from layer to layer.
    pub fn stages(&self) -> &[TokenStage] {
        &self.stages
    }

    /// The tokens of person number `person` that enter the first layer; none for a person who is not there.
    pub fn of(&self, person: usize) -> &[usize] {
        self.at(0, person)
    }

    /// The tokens of person number `person` that layer `layer` works on.
    pub fn at(&self, layer: usize, person: usize) -> &[usize] {
        let stage = self.stages.iter().rfind(|stage| stage.first_layer <= layer);
        stage.map_or(&[], |stage| stage.tokens.of(person))
    }

    /// The tokens of `persons` persons followed by those of `others` more persons who went through the same network.
    pub fn joined(self, persons: usize, more: KeptTokens, others: usize) -> KeptTokens {
        let pairs = self.stages.into_iter().zip(more.stages);
        let stages = pairs.map(|(stage, more)| TokenStage {
            first_layer: stage.first_layer,
            tokens: stage.tokens.joined(persons, more.tokens, others),
        });
        KeptTokens { stages: stages.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_same_tokens_for_everybody_in_every_layer() {
        let kept = KeptTokens::shared(vec![1, 5, 9]);
        assert_eq!((kept.of(0), kept.at(11, 7)), (&[1, 5, 9][..], &[1, 5, 9][..]));
        assert_eq!(kept.clone().joined(16, kept.clone(), 4), kept, "a batch in two turns is one batch");
    }

    #[test]
    fn pruning_keeps_each_persons_own_tokens_and_fewer_from_layer_to_layer() {
        let kept = KeptTokens::shared(vec![0, 1, 2, 3])
            .pruned_to(4, PersonTokens::Own(vec![vec![0, 1], vec![2, 3]]))
            .pruned_to(7, PersonTokens::Own(vec![vec![1], vec![3]]));
        assert_eq!(kept.at(3, 1), [0, 1, 2, 3]);
        assert_eq!(kept.at(4, 1), [2, 3]);
        assert_eq!(kept.at(9, 0), [1]);
        assert_eq!(kept.stages().len(), 3);
    }

    #[test]
    fn turns_of_a_crowd_follow_one_another() {
        let first = KeptTokens::shared(vec![0, 1]).pruned_to(2, PersonTokens::Own(vec![vec![0], vec![1]]));
        let second = KeptTokens::shared(vec![0, 1]).pruned_to(2, PersonTokens::Own(vec![vec![1]]));
        let all = first.joined(2, second, 1);
        assert_eq!(all.of(2), [0, 1]);
        assert_eq!([all.at(2, 0), all.at(2, 1), all.at(2, 2)], [&[0][..], &[1], &[1]]);
    }
}
