//! Threads that stay awake from one parallel loop to the next.
//!
//! A token at batch 1 is some three hundred loops of a few microseconds each, and waking a sleeping
//! thread takes longer than most of them. For the duration of [`together`], the threads of the pool
//! therefore wait actively for the next loop. No loop waits for a thread that has not joined: the
//! threads present take the tasks. No thread stays for good: one that finds no work returns to the
//! pool, which others may be waiting for, and is called again by the next loop.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Number of checks for work before a thread yields: about 50 µs.
const LOOKS: u32 = 1 << 10;

/// How long a helper waits without work before it leaves.
const PATIENCE: Duration = Duration::from_millis(1);

type Body = dyn Fn(usize) + Sync;

/// State shared by the threads of one [`together`]. One of them, the leader, opens loops; all take
/// tasks.
pub struct Team {
    /// In the lower half, the tasks of the loop that nobody has taken yet; in the upper half, the
    /// number of the loop, so that a count read in one loop is never taken from another.
    open: AtomicU64,
    /// The body of a task; written between loops, read by threads that have taken a task.
    body: UnsafeCell<Option<NonNull<Body>>>,
    /// Number of tasks of the loop that have not ended.
    unfinished: AtomicUsize,
    over: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Maximum number of helpers present.
    helpers: usize,
    /// Number of helpers that were called and have not left.
    present: AtomicUsize,
}

// SAFETY: `body` is written by the leader while no task is unfinished, and read only between the
// taking and the end of a task (see `Team::take`); everything else is atomic or locked.
unsafe impl Sync for Team {}

thread_local! {
    /// The team led by this thread.
    static LED: Cell<Option<Led>> = const { Cell::new(None) };
}

/// A team, and the means to call a helper from the pool.
#[derive(Clone, Copy)]
struct Led {
    team: NonNull<Team>,
    call: NonNull<dyn Fn()>,
}

/// Runs `work` with the pool's threads awake for its parallel loops.
///
/// For work with many short loops, like a pass over few tokens. The threads are kept from sleeping
/// until it ends.
pub fn together<R>(work: impl FnOnce() -> R) -> R {
    let helpers = rayon::current_num_threads() - 1;
    if helpers == 0 || LED.get().is_some() {
        return work();
    }
    let team = Team {
        open: AtomicU64::new(0),
        body: UnsafeCell::new(None),
        unfinished: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        panic: Mutex::new(None),
        helpers,
        present: AtomicUsize::new(0),
    };
    rayon::in_place_scope(|scope| {
        let call = || scope.spawn(|_| team.help());
        let _lead = Lead::new(&team, &call);
        work()
    })
}

/// While this exists, this thread leads the team; then the helpers leave.
struct Lead<'a>(&'a Team);

impl<'a> Lead<'a> {
    fn new(team: &'a Team, call: &'a (dyn Fn() + 'a)) -> Self {
        // SAFETY: only the lifetime is changed, and `LED` is emptied before it ends.
        let call = unsafe {
            std::mem::transmute::<NonNull<dyn Fn() + 'a>, NonNull<dyn Fn()>>(NonNull::from(call))
        };
        LED.set(Some(Led {
            team: NonNull::from(team),
            call,
        }));
        Self(team)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        LED.set(None);
        self.0.over.store(true, Ordering::Release);
    }
}

/// Whether the loops of this thread find other threads awake.
pub fn is_led() -> bool {
    LED.get().is_some()
}

/// Runs all tasks with the team that this thread leads; returns whether it leads one.
pub fn for_each(tasks: usize, run: &(dyn Fn(usize) + Sync)) -> bool {
    let Some(led) = LED.take() else {
        return false;
    };
    // A loop inside a task does not belong to the team: `LED` is empty until this one ends.
    let panic = {
        // SAFETY: `together` keeps both alive for as long as `LED` names them.
        let (team, call) = unsafe { (led.team.as_ref(), led.call.as_ref()) };
        team.call_helpers(call);
        team.run(tasks, run);
        team.panic.lock().map_or(None, |mut panic| panic.take())
    };
    LED.set(Some(led));
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    true
}

impl Team {
    /// Calls the missing helpers; they come when the pool has time.
    fn call_helpers(&self, call: &dyn Fn()) {
        while self.present.load(Ordering::Relaxed) < self.helpers {
            self.present.fetch_add(1, Ordering::Relaxed);
            call();
        }
    }

    /// Runs a loop; every task has ended when it returns.
    fn run(&self, tasks: usize, run: &(dyn Fn(usize) + Sync)) {
        let count = u64::from(u32::try_from(tasks).expect("fewer than 2^32 tasks"));
        // SAFETY: only the lifetime is changed. The pointer is followed by those who have taken a
        // task of this loop only, and this function does not return before all of these have ended.
        let body = unsafe {
            std::mem::transmute::<NonNull<dyn Fn(usize) + Sync + '_>, NonNull<Body>>(NonNull::from(
                run,
            ))
        };
        // SAFETY: the former loop's tasks have all ended, so nobody reads it.
        unsafe { *self.body.get() = Some(body) };
        self.unfinished.store(tasks, Ordering::Relaxed);
        let number = (self.open.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.open.store((number << 32) | count, Ordering::Release);
        while self.take() {}
        let mut looks = 0;
        while self.unfinished.load(Ordering::Acquire) > 0 {
            wait(&mut looks);
        }
    }

    /// Takes tasks until the team's work is over or no work comes for a while: the leader may be
    /// waiting for the threads of the pool, and this is one of them.
    fn help(&self) {
        let (mut looks, mut idle_since) = (0, None);
        while !self.over.load(Ordering::Acquire) {
            if self.take() {
                (looks, idle_since) = (0, None);
                continue;
            }
            wait(&mut looks);
            if looks == LOOKS && idle_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                break;
            }
        }
        self.present.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a task and runs it; false if there is none.
    fn take(&self) -> bool {
        let mut open = self.open.load(Ordering::Acquire);
        loop {
            let left = open as u32;
            if left == 0 {
                return false;
            }
            match (self.open).compare_exchange_weak(
                open,
                open - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(other) => open = other,
            }
        }
        let task = (open as u32 - 1) as usize;
        // SAFETY: a task of the open loop is ours, so the loop cannot end and its body not be
        // replaced before `unfinished` is counted down below; the body was written before the loop
        // was opened (release), which was seen (acquire).
        let body = unsafe { (*self.body.get()).expect("a loop is open").as_ref() };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(task)))
            && let Ok(mut first) = self.panic.lock()
        {
            first.get_or_insert(panic);
        }
        self.unfinished.fetch_sub(1, Ordering::Release);
        true
    }
}

fn wait(looks: &mut u32) {
    if *looks < LOOKS {
        *looks += 1;
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::parallel::for_each;
    use super::{is_led, together};

    /// Many loops of changing length: each task runs once, and has ended when its loop ends.
    #[test]
    fn every_task_runs_once() {
        together(|| {
            for round in 0..2000 {
                let counts: Vec<AtomicUsize> =
                    (0..round % 37).map(|_| AtomicUsize::new(0)).collect();
                for_each(counts.len(), |task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(
                    counts
                        .iter()
                        .all(|count| count.load(Ordering::Relaxed) == 1)
                );
            }
        });
        assert!(!is_led());
    }

    /// Loops inside tasks, teams inside teams, and more teams at once than the pool has threads; a
    /// leader may wait for the pool inside and outside of a task.
    #[test]
    fn teams_do_not_wait_for_each_other() {
        for _ in 0..50 {
            let total = AtomicUsize::new(0);
            let count = || {
                total.fetch_add(1, Ordering::Relaxed);
            };
            std::thread::scope(|scope| {
                for _ in 0..2 + rayon::current_num_threads() {
                    scope.spawn(|| {
                        together(|| {
                            for_each(10, |_| for_each(10, |_| count()));
                            rayon::join(count, count);
                            together(|| for_each(10, |_| count()));
                        });
                    });
                }
            });
            let teams = 2 + rayon::current_num_threads();
            assert_eq!(total.load(Ordering::Relaxed), teams * 112);
        }
    }

    /// A helper that left comes back.
    #[test]
    fn helpers_are_called_again_after_a_pause() {
        together(|| {
            for _ in 0..3 {
                let helped = || {
                    let leader = std::thread::current().id();
                    let others = AtomicUsize::new(0);
                    for_each(64, |_| {
                        std::thread::sleep(std::time::Duration::from_micros(500));
                        let other = std::thread::current().id() != leader;
                        others.fetch_add(usize::from(other), Ordering::Relaxed);
                    });
                    others.into_inner() > 0
                };
                // The pool may be busy with other tests for a while.
                assert!(rayon::current_num_threads() == 1 || (0..100).any(|_| helped()));
                std::thread::sleep(4 * super::PATIENCE);
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_leader() {
        let done = AtomicUsize::new(0);
        let result = std::panic::catch_unwind(|| {
            together(|| {
                for_each(100, |task| {
                    assert_ne!(task, 50, "the panic of a task");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            });
        });
        assert!(result.is_err());
        assert_eq!(
            done.load(Ordering::Relaxed),
            99,
            "the other tasks still ran"
        );
        assert!(!is_led());
    }
}
