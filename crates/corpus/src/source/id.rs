//! Stable identifiers: a row keeps its identifier when rows around it come and go.

use rustc_hash::FxHashMap;

/// The identifiers that were given so far.
#[derive(Default)]
pub(super) struct Ids {
    given: FxHashMap<String, u32>,
}

impl Ids {
    /// The row's own identifier if no earlier row has it, else the hash of its content; rows
    /// with the same content are numbered.
    pub fn unique(&mut self, own: Option<String>, question: &str, answer: &str) -> String {
        if let Some(own) = own
            && !self.given.contains_key(&own)
        {
            self.given.insert(own.clone(), 1);
            return own;
        }
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(question.as_bytes())
            .update(&[0])
            .update(answer.as_bytes());
        let hash = hasher.finalize().to_hex()[..20].to_owned();
        let mut id = hash.clone();
        while let Some(seen) = self.given.get_mut(&id) {
            *seen += 1;
            id = format!("{hash}-{seen}");
        }
        self.given.insert(id.clone(), 1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_own_identifier_unless_it_is_taken() {
        let mut ids = Ids::default();
        let own = || Some("7".to_owned());
        assert_eq!(ids.unique(own(), "a", "b"), "7");
        let second = ids.unique(own(), "c", "d");
        assert_eq!(second.len(), 20);
        assert_eq!(
            Ids::default().unique(None, "c", "d"),
            second,
            "a function of the content"
        );
    }

    #[test]
    fn equal_rows_are_numbered() {
        let mut ids = Ids::default();
        let first = ids.unique(None, "a", "b");
        assert_eq!(ids.unique(None, "a", "b"), format!("{first}-2"));
        assert_eq!(ids.unique(None, "a", "b"), format!("{first}-3"));
        assert_ne!(ids.unique(None, "ab", ""), ids.unique(None, "a", "b\0"));
    }
}
