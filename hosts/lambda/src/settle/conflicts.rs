//! Deciding again where somebody else wrote first.

use std::time::Duration;

use switchboard_core::Failure;
use tokio::sync::SemaphorePermit;

use super::Settler;

/// How often somebody else may write first before the delivery is put off.
const MAX_CONFLICTS: u32 = 12;
/// The first pause, on the average; each is twice as long as the one before, up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// The conflicts of one decision. Whoever has met one decides again when it is its turn among those of this process
/// that have met one too; against other processes there is a pause with some chance in it.
pub(super) struct Conflicts<'a> {
    settler: &'a Settler,
    met: u32,
    turn: Option<SemaphorePermit<'a>>,
}

impl Settler {
    pub(super) fn conflicts(&self) -> Conflicts<'_> {
        Conflicts { settler: self, met: 0, turn: None }
    }
}

impl Conflicts<'_> {
    /// There was a conflict: returns when it may be tried again; `false` when it was often enough, or there is no
    /// time left for it.
    pub(super) async fn again(&mut self) -> bool {
        self.met += 1;
        if self.met > MAX_CONFLICTS || self.settler.left() < LONGEST_PAUSE * 4 {
            return false;
        }
        if self.turn.is_none() {
            self.turn = self.settler.turns.acquire().await.ok();
        }
        let pause = (PAUSE * (1 << (self.met - 1).min(8))).min(LONGEST_PAUSE);
        tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
        true
    }
}

/// What is said of a decision that met too many.
pub(super) fn overtaken() -> Failure {
    Failure::retry("somebody else wrote first")
}
