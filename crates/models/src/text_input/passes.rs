//! How many texts are read at once.

/// Consecutive items of at most `budget` tokens together, for one pass each; an item with more gets
/// a pass of its own.
pub fn passes<T>(
    items: &[T],
    budget: usize,
    tokens: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = rest.iter().take_while(|item| {
            total += tokens(item);
            total <= budget
        });
        let count = fits.count().max(1).min(rest.len());
        let (pass, after) = rest.split_at(count);
        rest = after;
        (!pass.is_empty()).then_some(pass)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_hold_all_items_in_order_and_keep_to_the_budget() {
        let lengths = [3, 4, 9, 1, 6, 1];
        let passes: Vec<&[usize]> = passes(&lengths, 7, |&length| length).collect();
        assert_eq!(passes, [&[3, 4][..], &[9], &[1, 6], &[1]]);
        assert_eq!(super::passes(&[], 7, |&length: &usize| length).count(), 0);
    }
}
