//! A team of threads that walk through a list of waves together.
//!
//! Starting an empty loop on a thread pool costs more than many an operation of these networks takes; a team is woken
//! once a network and meets at spin barriers in it.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a member waits for the next run before it sleeps: frames of a batch follow each other sooner.
const AWAKE: Duration = Duration::from_micros(50);
/// Turns of a spinning wait between two that let other threads run.
const SPINS: u32 = 4000;

/// A number alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded(pub AtomicUsize);

/// What a member does; its number is 0 for the thread that called.
type Job<'a> = &'a (dyn Fn(usize) + Sync + 'a);

/// A job's address, which outlives the run that it is for.
#[derive(Clone, Copy)]
struct JobPointer(*const (dyn Fn(usize) + Sync + 'static));
// SAFETY: what it points at is shared by threads (`Sync`), and `Team::run` does not return before all are done with it.
unsafe impl Send for JobPointer {}

#[derive(Default)]
struct Orders {
    /// Rises with every run.
    number: usize,
    job: Option<JobPointer>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    orders: Mutex<Orders>,
    wake: Condvar,
    /// [`Orders::number`], to be looked at without the lock.
    number: Padded,
    /// Members who are done with the present run.
    done: Padded,
    /// What a member's job panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    panicked: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that run one job together. Dropping it ends them.
pub struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Team {
    /// A team of at most `members`, the calling thread being one of them; fewer when the system gives no more threads.
    pub fn new(members: usize) -> Team {
        let shared = Arc::new(Shared::default());
        let start = |member: usize| {
            let shared = shared.clone();
            let name = format!("tmpose-cpu-{member}");
            std::thread::Builder::new().name(name).spawn(move || work(&shared, member)).ok()
        };
        let threads = (1..members).map_while(start).collect();
        Team { shared, threads }
    }

    /// Members, the caller among them.
    pub fn members(&self) -> usize {
        self.threads.len() + 1
    }

    /// Every member runs `job` with its number. Returns when all are done; a panic of one is passed on then.
    pub fn run(&mut self, job: Job) {
        if self.threads.is_empty() {
            return job(0);
        }
        let shared = &self.shared;
        shared.done.0.store(0, Ordering::Relaxed);
        {
            // SAFETY: only the lifetime changes. The job is used until `done` is complete, which is waited for below,
            // also when the caller's own part panics.
            let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
            let mut orders = lock(&shared.orders);
            orders.number += 1;
            orders.job = Some(JobPointer(job));
            shared.number.0.store(orders.number, Ordering::Release);
        }
        shared.wake.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut wait = Wait::default();
        while shared.done.0.load(Ordering::Acquire) < self.threads.len() {
            wait.turn();
        }
        if shared.panicked.swap(false, Ordering::Relaxed)
            && let Some(panic) = lock(&shared.panic).take()
        {
            resume_unwind(panic);
        }
        if let Err(panic) = own {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        {
            let mut orders = lock(&self.shared.orders);
            orders.stop = true;
            orders.number += 1;
            self.shared.number.0.store(orders.number, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A member catches its job's panics, so that it ends regularly.
            let _ = thread.join();
        }
    }
}

/// A member's life: wait for a job, run it, again.
fn work(shared: &Shared, member: usize) {
    let mut seen = 0;
    loop {
        let since = Instant::now();
        while shared.number.0.load(Ordering::Acquire) == seen && since.elapsed() < AWAKE {
            (0..32).for_each(|_| spin_loop());
        }
        let job = {
            let mut orders = lock(&shared.orders);
            while orders.number == seen {
                orders = shared.wake.wait(orders).unwrap_or_else(PoisonError::into_inner);
            }
            seen = orders.number;
            if orders.stop {
                return;
            }
            orders.job
        };
        if let Some(JobPointer(job)) = job {
            // SAFETY: `Team::run` keeps the job until this member has counted itself done.
            let job = unsafe { &*job };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(member))) {
                *lock(&shared.panic) = Some(panic);
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.done.0.fetch_add(1, Ordering::Release);
    }
}

/// A spinning wait that lets other threads run now and then.
#[derive(Default)]
struct Wait(u32);

impl Wait {
    fn turn(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(SPINS) {
            std::thread::yield_now();
        }
        spin_loop();
    }
}

/// Where all members of a run meet, again and again.
#[derive(Debug)]
pub struct Barrier {
    arrived: Padded,
    members: usize,
    /// A member panicked: nobody waits any more.
    broken: AtomicBool,
}

impl Barrier {
    /// For so many members.
    pub fn new(members: usize) -> Barrier {
        Barrier { arrived: Padded::default(), members, broken: AtomicBool::new(false) }
    }

    /// Waits until all members have called it as often as this one; `turn` counts its calls from 0. False when a member
    /// panicked.
    pub fn wait(&self, turn: &mut usize) -> bool {
        *turn += self.members;
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 < *turn {
            let mut wait = Wait::default();
            while self.arrived.0.load(Ordering::Acquire) < *turn && !self.broken.load(Ordering::Relaxed) {
                wait.turn();
            }
        }
        !self.broken.load(Ordering::Relaxed)
    }

    /// Lets everybody go who waits, now and later.
    pub fn break_up(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

/// The team of this process, and how many members were asked for when it was made.
static TEAM: Mutex<Option<(usize, Team)>> = Mutex::new(None);
/// Members of the process's team; 0 until somebody asks.
static MEMBERS: AtomicUsize = AtomicUsize::new(0);

/// Sets how many threads compute, the calling one among them; from the next run on.
pub fn set_threads(threads: usize) {
    MEMBERS.store(threads.max(1), Ordering::Relaxed);
}

/// How many threads compute: as many as [`set_threads`] says, or as the machine or its container allows.
pub fn threads() -> usize {
    match MEMBERS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        members => members,
    }
}

/// Runs `job` with the process's team; while somebody else does, within a run, and on a thread of a pool whose threads
/// all compute, with a team of the caller alone.
pub fn with_team<T>(job: impl FnOnce(&mut Team) -> T) -> T {
    if rayon::current_thread_index().is_some() {
        return job(&mut Team::new(1));
    }
    let mut team = match TEAM.try_lock() {
        Ok(team) => team,
        // A run panicked, which leaves the team as it was.
        Err(TryLockError::Poisoned(team)) => team.into_inner(),
        Err(TryLockError::WouldBlock) => return job(&mut Team::new(1)),
    };
    let wanted = threads();
    let (_, team) = match team.take() {
        Some(present) if present.0 == wanted => team.insert(present),
        _ => team.insert((wanted, Team::new(wanted))),
    };
    job(team)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_runs_the_job_once_and_they_meet() {
        let mut team = Team::new(4);
        for round in 0..300 {
            let (entered, barrier) = (AtomicUsize::new(0), Barrier::new(team.members()));
            team.run(&|_| {
                let mut turn = 0;
                for wave in 1..=5 {
                    entered.fetch_add(1, Ordering::Relaxed);
                    assert!(barrier.wait(&mut turn));
                    assert_eq!(entered.load(Ordering::Relaxed), 4 * wave, "round {round}");
                    assert!(barrier.wait(&mut turn));
                }
            });
        }
    }

    #[test]
    fn a_sleeping_team_wakes() {
        let mut team = Team::new(3);
        for _ in 0..5 {
            let count = AtomicUsize::new(0);
            team.run(&|member| {
                count.fetch_add(1 << (8 * member), Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 0x01_01_01);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_member_s_panic_reaches_the_caller_and_the_team_goes_on() {
        let mut team = Team::new(3);
        for panics in [0, 1, 2] {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                team.run(&|member| assert!(member != panics, "member {member} fails"));
            }));
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("member {panics} fails"));
            let count = AtomicUsize::new(0);
            team.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 3);
        }
    }

    #[test]
    fn a_broken_barrier_holds_nobody() {
        let mut team = Team::new(2);
        let barrier = Barrier::new(2);
        team.run(&|member| {
            if member == 0 {
                barrier.break_up();
            } else {
                assert!(!barrier.wait(&mut 0));
            }
        });
    }

    #[test]
    fn within_a_run_the_caller_is_alone() {
        with_team(|_| with_team(|inner| assert_eq!(inner.members(), 1)));
    }
}
