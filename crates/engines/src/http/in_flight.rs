//! Several requests at once, up to a limit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs `work` for every item, at most `in_flight` at a time, and returns the results in order;
/// after the first error, no further work starts, and what was not done is `None`.
pub(crate) fn map_in_flight<T: Sync, R: Send, E: Send>(
    items: &[T],
    in_flight: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> (Vec<Option<R>>, Option<E>) {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Option<Result<R, E>>>> =
        Mutex::new(items.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..in_flight.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    if result.is_err() {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut first_error = None;
    let done = results.into_iter().map(|result| match result? {
        Ok(result) => Some(result),
        Err(error) => {
            first_error.get_or_insert(error);
            None
        }
    });
    (done.collect(), first_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_more_than_the_bound_is_in_flight_and_results_keep_their_order() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<usize> = (0..40).collect();
        let (doubled, error) = map_in_flight(&items, 3, |item| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2));
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(item * 2)
        });
        let expected: Vec<_> = items.iter().map(|i| Some(i * 2)).collect();
        assert_eq!((doubled, error), (expected, None));
        assert!((2..=3).contains(&most.into_inner()));
        let nothing = map_in_flight(&[(); 0], 3, |()| Ok::<_, ()>(()));
        assert_eq!(nothing, (vec![], None));
    }

    #[test]
    fn what_was_done_before_an_error_is_kept() {
        let items: Vec<usize> = (0..40).collect();
        let work = |item: &usize| if *item == 5 { Err(*item) } else { Ok(*item) };
        let (done, error) = map_in_flight(&items, 1, work);
        assert_eq!(error, Some(5));
        let expected = (0..40).map(|item| (item < 5).then_some(item));
        assert_eq!(done, expected.collect::<Vec<_>>());
    }
}
