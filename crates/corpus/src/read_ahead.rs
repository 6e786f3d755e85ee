//! Work on one piece of a file while the next one is read.

/// Hands the `pieces` to `work` in their order, each while the next is made. Ends at the first
/// error.
pub fn read_ahead<T: Send, E: Send>(
    mut pieces: impl Iterator<Item = Result<T, E>> + Send,
    mut work: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<(), E> {
    let mut next = pieces.next();
    while let Some(piece) = next {
        let piece = piece?;
        let (done, following) = rayon::join(|| work(piece), || pieces.next());
        done?;
        next = following;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read_ahead;

    #[test]
    fn pieces_come_in_order_up_to_the_first_error() {
        let run = |pieces: &[Result<u32, &'static str>], refused| {
            let mut seen = Vec::new();
            let ended = read_ahead(pieces.iter().copied(), |piece| {
                seen.push(piece);
                if piece == refused {
                    Err("work")
                } else {
                    Ok(())
                }
            });
            (ended, seen)
        };
        assert_eq!(run(&[Ok(1), Ok(2), Ok(3)], 0), (Ok(()), vec![1, 2, 3]));
        assert_eq!(run(&[Ok(1), Err("read"), Ok(3)], 0), (Err("read"), vec![1]));
        assert_eq!(run(&[Ok(1), Ok(2), Ok(3)], 2), (Err("work"), vec![1, 2]));
        assert_eq!(run(&[], 0), (Ok(()), vec![]));
    }
}
