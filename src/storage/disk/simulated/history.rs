//! What of a file's content, or of the names in the directory, a power cut can and cannot take.

use std::{collections::BTreeMap, sync::Arc};

use super::{CrashKind, chance::Chance, image::Image, image::pieces};

/// Disks promise to write a sector whole or not at all, and nothing larger.
const SECTOR_BYTES: usize = 512;

/// The names in the directory and the file that each means.
pub(super) type Names = BTreeMap<String, u64>;

/// One step from a state to the next.
pub(super) trait Change {
    type State: Clone;

    fn apply(&self, state: &mut Self::State);

    /// Applies what chance lets through.
    fn apply_torn(&self, state: &mut Self::State, chance: &mut Chance);
}

/// A change of a file's content.
pub(super) enum ContentChange {
    Write { offset: u64, bytes: Arc<[u8]> },
    Resize { size_bytes: u64 },
}

impl Change for ContentChange {
    type State = Image;

    fn apply(&self, image: &mut Image) {
        match self {
            Self::Write { offset, bytes } => image.write(*offset, bytes),
            Self::Resize { size_bytes } => image.resize(*size_bytes),
        }
    }

    fn apply_torn(&self, image: &mut Image, chance: &mut Chance) {
        let Self::Write { offset, bytes } = self else {
            if chance.coin() {
                self.apply(image);
            }
            return;
        };
        let is_torn = chance.coin();
        let is_kept = chance.coin();
        for (at, range) in pieces(*offset, bytes.len(), SECTOR_BYTES) {
            if if is_torn { chance.coin() } else { is_kept } {
                image.write(at, &bytes[range]);
            }
        }
        // The size is a write of its own: it may arrive without the bytes that it was for.
        let end = offset + bytes.len() as u64;
        if chance.coin() && image.size_bytes() < end {
            image.resize(end);
        }
    }
}

/// A change of a name.
pub(super) enum NameChange {
    /// The file has this name and no other; what had it before has none.
    Named { name: String, file: u64 },
    /// The file has no name.
    Removed { file: u64 },
}

impl Change for NameChange {
    type State = Names;

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Named { name, file } => {
                names.retain(|_, named| named != file);
                names.insert(name.clone(), *file);
            }
            Self::Removed { file } => names.retain(|_, named| named != file),
        }
    }

    fn apply_torn(&self, names: &mut Names, chance: &mut Chance) {
        if chance.coin() {
            self.apply(names);
        }
    }
}

/// How far a change can be relied on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// No sync since.
    Unsynced,
    /// A sync failed over it. The operating system takes it for written from then on, so no later sync mends it.
    Doubtful,
    /// A sync succeeded over it.
    Synced,
}

/// A state as it reads now, and the changes since it was last wholly durable.
pub(super) struct History<C: Change> {
    durable: C::State,
    current: C::State,
    /// In the order they were made. Holds synced ones only while a doubtful one before them keeps `durable` from moving.
    changes: Vec<(Standing, C)>,
}

impl<C: Change> History<C> {
    pub(super) fn new(durable: C::State) -> Self {
        Self { current: durable.clone(), durable, changes: Vec::new() }
    }

    pub(super) fn current(&self) -> &C::State {
        &self.current
    }

    /// Whether a power cut would leave exactly the current state.
    pub(super) fn is_durable(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn change(&mut self, change: C) {
        change.apply(&mut self.current);
        self.changes.push((Standing::Unsynced, change));
    }

    /// Makes a change that no power cut undoes, as damage to the medium is.
    pub(super) fn change_durably(&mut self, change: C) {
        change.apply(&mut self.current);
        self.changes.push((Standing::Synced, change));
        self.settle();
    }

    pub(super) fn sync(&mut self) {
        self.mark_unsynced(Standing::Synced);
        self.settle();
    }

    pub(super) fn fail_sync(&mut self) {
        self.mark_unsynced(Standing::Doubtful);
    }

    /// What a power cut now would leave.
    pub(super) fn crash(&self, kind: CrashKind, chance: &mut Chance) -> C::State {
        let mut state = self.durable.clone();
        for (standing, change) in &self.changes {
            match (standing, kind) {
                (Standing::Synced, _) | (_, CrashKind::KeepAll) => change.apply(&mut state),
                (Standing::Unsynced | Standing::Doubtful, CrashKind::LoseUnsynced) => {}
                (Standing::Unsynced | Standing::Doubtful, CrashKind::Torn(_)) => change.apply_torn(&mut state, chance),
            }
        }
        state
    }

    fn mark_unsynced(&mut self, standing: Standing) {
        let unsynced = self.changes.iter_mut().filter(|(standing, _)| *standing == Standing::Unsynced);
        unsynced.for_each(|(old, _)| *old = standing);
    }

    fn settle(&mut self) {
        if self.changes.iter().all(|(standing, _)| *standing == Standing::Synced) {
            self.durable = self.current.clone();
            self.changes.clear();
        }
    }
}
