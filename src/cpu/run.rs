//! Running a plan: one picture with all members of a team together, or several pictures, one a member.

use super::buffer::Buffer;
use super::execute::Memory;
use super::memory::Maps;
use super::net::Tokens;
use super::operation::Part;
use super::plan::Plan;
use super::team::{Barrier, Padded, Team, with_team};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The memory of a run.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The patches of which tokens are made, where the plan has such ([`Plan::tokens`]).
    pub tokens: Vec<u32>,
    /// How long the stages of the last run took.
    pub stages: Vec<Duration>,
    arena: Buffer,
    /// Of each member.
    scratch: Vec<Buffer>,
    /// The next item of each member in each wave.
    next: Vec<Padded>,
}

impl Workspace {
    /// For runs of `plan` by up to `members` threads together.
    pub fn new(plan: &Plan, members: usize) -> Workspace {
        let mut workspace = Workspace::default();
        workspace.fit(plan, members);
        workspace
    }

    /// Makes it large enough for `plan` and `members` threads, whatever it was for.
    fn fit(&mut self, plan: &Plan, members: usize) {
        let before = self.bytes();
        if self.arena.len() < plan.arena {
            self.arena = Buffer::zeros(plan.arena);
        }
        self.scratch.resize_with(self.scratch.len().max(members), Buffer::default);
        for scratch in self.scratch.iter_mut().filter(|scratch| scratch.len() < plan.scratch) {
            *scratch = Buffer::zeros(plan.scratch);
        }
        let next = plan.waves.len() * plan.members;
        self.next.resize_with(self.next.len().max(next), Padded::default);
        WORKSPACE_BYTES.fetch_add(self.bytes() - before, Ordering::Relaxed);
    }

    /// Bytes of its memory.
    fn bytes(&self) -> usize {
        let numbers = self.arena.len() + self.scratch.iter().map(|scratch| scratch.len()).sum::<usize>();
        size_of::<f32>() * numbers
    }

    /// The memory for a run on this thread alone.
    pub(super) fn memory<'a>(&'a mut self, plan: &'a Plan) -> Memory<'a> {
        Memory {
            maps: Maps { places: &plan.maps, at: self.arena.as_mut_ptr() },
            scratch: self.scratch[0].as_mut_ptr(),
            tokens: &self.tokens,
        }
    }

    /// Fills all maps.
    #[cfg(test)]
    pub fn fill_for_test(&mut self, value: f32) {
        self.arena.fill(value);
    }

    /// The numbers of a whole map, pixel by pixel with all channels: to be written before a run where it is an input, to
    /// be read after it where it is an output.
    ///
    /// # Panics
    /// When the part is not a whole map as it lies in memory.
    pub fn map(&mut self, plan: &Plan, part: Part) -> &mut [f32] {
        let placed = plan.maps[part.map];
        assert!((part.first, part.channels, part.up) == (0, placed.shape.channels, 0), "a part of a map");
        &mut self.arena[placed.offset..][..placed.shape.numbers()]
    }
}

/// Bytes of all workspaces of this process.
static WORKSPACE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the maps and scratch memory that this process holds for runs of networks.
pub fn workspace_bytes() -> usize {
    WORKSPACE_BYTES.load(Ordering::Relaxed)
}

impl Drop for Workspace {
    fn drop(&mut self) {
        WORKSPACE_BYTES.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// Tells how long the stages of a run take.
struct StageClock {
    stages: Vec<Duration>,
    since: Instant,
    begun: usize,
}

impl StageClock {
    fn new(plan: &Plan) -> StageClock {
        StageClock { stages: vec![Duration::ZERO; plan.marks.len() + 1], since: Instant::now(), begun: 0 }
    }

    /// A wave begins, perhaps with another stage.
    fn begin(&mut self, plan: &Plan, wave: usize) {
        while plan.marks.get(self.begun) == Some(&wave) {
            self.stages[self.begun] += self.since.elapsed();
            (self.since, self.begun) = (Instant::now(), self.begun + 1);
        }
    }

    fn finish(mut self) -> Vec<Duration> {
        self.stages[self.begun] += self.since.elapsed();
        self.stages
    }
}

/// Lets the members of a team use a workspace together.
struct Together<'a> {
    plan: &'a Plan,
    arena: *mut f32,
    tokens: &'a [u32],
    scratch: Vec<*mut f32>,
    next: &'a [Padded],
    /// Into how many queues the items of a wave are divided.
    queues: usize,
}
// SAFETY: members write what their items write, which no other item of a wave reads or writes (`audit`), and between two
// waves they meet at a barrier; each has scratch memory of its own.
unsafe impl Sync for Together<'_> {}

impl Plan {
    /// Asserts that the workspace has the tokens that the plan needs.
    fn check_tokens(&self, workspace: &Workspace) {
        if let Some(Tokens { count, patches }) = self.tokens {
            let tokens = &workspace.tokens;
            assert!(
                tokens.len() == count && tokens.iter().all(|t| (*t as usize) < patches),
                "tokens of a run"
            );
        }
    }

    /// Runs on what lies in the workspace's inputs, with all members of `team`.
    ///
    /// # Panics
    /// When the workspace holds other tokens than the plan is for.
    pub fn run(&self, workspace: &mut Workspace, team: &mut Team) {
        self.check_tokens(workspace);
        if team.members() == 1 || workspace.scratch.len() < team.members() {
            return self.run_alone(workspace);
        }
        workspace.next.iter().for_each(|next| next.0.store(0, Ordering::Relaxed));
        let barrier = Barrier::new(team.members());
        let clock = Mutex::new(StageClock::new(self));
        let together = Together {
            plan: self,
            arena: workspace.arena.as_mut_ptr(),
            tokens: &workspace.tokens,
            scratch: workspace.scratch.iter_mut().map(|scratch| scratch.as_mut_ptr()).collect(),
            next: &workspace.next,
            queues: if team.members() == self.members { self.members } else { 1 },
        };
        team.run(&|member| {
            let _guard = BreakUp(&barrier);
            together.walk(member, &barrier, &clock);
        });
        workspace.stages = clock.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    }

    /// Runs on what lies in the workspace's inputs, on this thread.
    ///
    /// # Panics
    /// As [`Plan::run`].
    pub fn run_alone(&self, workspace: &mut Workspace) {
        self.check_tokens(workspace);
        let memory = workspace.memory(self);
        let mut clock = StageClock::new(self);
        for (number, wave) in self.waves.iter().enumerate() {
            clock.begin(self, number);
            for item in &wave.items {
                // SAFETY: the memory is that of this plan and borrowed mutably.
                unsafe {
                    self.steps[item.step].run(self.kernels, &memory, item.range.clone(), item.panels);
                }
            }
        }
        workspace.stages = clock.finish();
    }
}

impl Together<'_> {
    /// One member's way through the waves.
    fn walk(&self, member: usize, barrier: &Barrier, clock: &Mutex<StageClock>) {
        let memory = Memory {
            maps: Maps { places: &self.plan.maps, at: self.arena },
            scratch: self.scratch[member],
            tokens: self.tokens,
        };
        let mut turn = 0;
        for (number, wave) in self.plan.waves.iter().enumerate() {
            if member == 0 && self.plan.marks.contains(&number) {
                clock.lock().unwrap_or_else(PoisonError::into_inner).begin(self.plan, number);
            }
            for other in 0..self.queues {
                // Its own items first, then those of the others.
                let queue = (member + other) % self.queues;
                let (first, end) = if self.queues == 1 {
                    (0, wave.items.len())
                } else {
                    (wave.shares[queue], wave.shares[queue + 1])
                };
                let next = &self.next[number * self.queues + queue].0;
                if first + next.load(Ordering::Relaxed) >= end {
                    continue;
                }
                loop {
                    let at = first + next.fetch_add(1, Ordering::Relaxed);
                    if at >= end {
                        break;
                    }
                    let item = &wave.items[at];
                    let step = &self.plan.steps[item.step];
                    // SAFETY: this thread alone has the item, what it reads was made in earlier waves, and no other
                    // item of this wave touches what it writes.
                    unsafe { step.run(self.plan.kernels, &memory, item.range.clone(), item.panels) };
                }
            }
            if !barrier.wait(&mut turn) {
                return;
            }
        }
    }
}

/// Lets the other members go when this one panics.
struct BreakUp<'a>(&'a Barrier);

impl Drop for BreakUp<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.break_up();
        }
    }
}

/// The memory of runs, for any plan: as many workspaces as threads ran at the same time.
#[derive(Debug, Default)]
pub struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    fn take(&self, plan: &Plan, members: usize) -> Workspace {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = kept.unwrap_or_default();
        workspace.fit(plan, members);
        workspace
    }

    fn give(&self, workspace: Workspace) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }

    /// Bytes of their memory.
    pub fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Workspace::bytes).sum()
    }

    /// Runs `plan` on `count` pictures with the process's team: whole pictures, one a member, as long as there are as
    /// many, the rest with all members together. `fill` writes a picture's inputs; what `read` makes of
    /// its outputs is returned, picture by picture.
    pub fn run<T: Send>(
        &self,
        plan: &Plan,
        count: usize,
        fill: impl Fn(usize, &mut Workspace) + Sync,
        read: impl Fn(&mut Workspace) -> T + Sync,
    ) -> Vec<T> {
        let made: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
        let keep = |picture: usize, value: T| {
            *made[picture].lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        with_team(|team| {
            let members = team.members();
            let apart = count - count % members;
            if members > 1 && apart > 0 {
                team.run(&|member| {
                    let mut workspace = self.take(plan, 1);
                    for picture in (member..apart).step_by(members) {
                        fill(picture, &mut workspace);
                        plan.run_alone(&mut workspace);
                        keep(picture, read(&mut workspace));
                    }
                    self.give(workspace);
                });
            }
            let rest = if members > 1 { apart } else { 0 };
            if rest < count {
                let mut workspace = self.take(plan, members);
                for picture in rest..count {
                    fill(picture, &mut workspace);
                    plan.run(&mut workspace, team);
                    keep(picture, read(&mut workspace));
                }
                self.give(workspace);
            }
        });
        made.into_iter()
            .filter_map(|value| value.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}
