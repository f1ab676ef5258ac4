//! The power goes while an answer is asked for, or at any sync between the question and the answer.

use std::sync::Arc;

use parking_lot::Mutex;
use tropism::disk::{CrashKind, SimulatedDisk};

use super::{
    provider::{StandIn, ask, rate_limited, state},
    *,
};

/// A provider that keeps what a crash would leave of the disk while it is asked.
#[derive(Clone)]
struct Crashing {
    disk: SimulatedDisk,
    images: Arc<Mutex<Vec<SimulatedDisk>>>,
}

impl AiProvider for Crashing {
    fn answer(&self, _: &AiRequest) -> Result<AiAnswer, AiError> {
        let mut images = self.images.lock();
        images.push(self.disk.crash(CrashKind::LoseUnsynced));
        if images.len() < 3 {
            return Err(rate_limited(None));
        }
        Ok(AiAnswer { text: "lost".into(), model: None, input_tokens: None, output_tokens: None })
    }
}

fn with(provider: impl AiProvider) -> AgentManager {
    AgentManager::new().provider(provider)
}

#[test]
fn an_answer_that_was_being_asked_for_when_the_power_went_is_asked_for_again() {
    let disk = SimulatedDisk::new(7);
    let crashing = Crashing { disk: disk.clone(), images: Arc::default() };
    let office = Office::on(disk, with(crashing.clone()), START);
    let answer = ask(&office);
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!(state(&office, answer).1, "lost");
    let images = std::mem::take(&mut *crashing.images.lock());
    assert_eq!(images.len(), 3);
    for image in images {
        let stand_in = StandIn::default();
        let office = Office::on(image, with(stand_in.clone()), after(2 * MINUTE));
        assert_eq!(state(&office, answer).0, ChatStatus::Pending);
        office.scheduler.advance(MINUTE).unwrap();
        assert_eq!((state(&office, answer), stand_in.times_asked()), ((ChatStatus::Complete, "fine".into()), 1));
    }
}

#[test]
fn after_a_crash_at_any_sync_every_question_that_is_there_is_answered_once() {
    let disk = SimulatedDisk::new(11);
    let images: Arc<Mutex<Vec<SimulatedDisk>>> = Arc::default();
    let kept = Arc::clone(&images);
    disk.observe_syncs(move |disk, _| {
        let seed = kept.lock().len() as u64;
        let image = disk.crash(CrashKind::Torn(seed));
        kept.lock().push(image);
    });
    let office = Office::on(disk, with(StandIn::default()), START);
    for _ in 0..3 {
        ask(&office);
        office.scheduler.advance(SECOND).unwrap();
    }
    office.db.close().unwrap();
    let images = std::mem::take(&mut *images.lock());
    assert!(images.len() > 10, "{} crashes", images.len());
    let mut pending = 0;
    for image in images {
        let office = Office::on(image, with(StandIn::default()), after(MINUTE));
        let before = office.all(ChatMessage::by_id);
        pending += before.iter().filter(|message| message.status == ChatStatus::Pending).count();
        office.scheduler.advance(MINUTE).unwrap();
        let messages = office.all(ChatMessage::by_id);
        assert_eq!(messages.len() % 2, 0, "a question is there with its answer, or neither is");
        for pair in messages.chunks(2) {
            assert_eq!((pair[0].author, pair[1].reply_to), (ChatAuthor::User, Some(pair[0].id())));
            assert_eq!((pair[1].status, pair[1].text.as_str()), (ChatStatus::Complete, "fine"));
        }
    }
    assert!(pending > 0, "some crash was between a question and its answer");
}

#[test]
fn after_a_crash_at_any_sync_a_change_and_its_event_are_there_together_or_not_at_all() {
    let disk = SimulatedDisk::new(13);
    let images: Arc<Mutex<Vec<SimulatedDisk>>> = Arc::default();
    let kept = Arc::clone(&images);
    disk.observe_syncs(move |disk, _| {
        let image = disk.crash(CrashKind::KeepAll);
        kept.lock().push(image);
    });
    let office = Office::on(disk, AgentManager::new(), START);
    let project = office.project("Apollo");
    for title in ["a", "b", "c"] {
        let task = office.task(project, title);
        office.call("tasks:move", json!({ "id": task, "category": "done" }));
    }
    office.db.close().unwrap();
    for image in std::mem::take(&mut *images.lock()) {
        let office = Office::on(image, AgentManager::new(), START);
        let count = |action: &str| office.actions_since(0).iter().filter(|found| *found == action).count();
        let tasks = office.all(Task::by_id);
        assert_eq!(count("project.created"), office.count(Project::by_id));
        assert_eq!(count("task.created"), tasks.len());
        assert_eq!(count("task.moved"), tasks.iter().filter(|task| task.category == Category::Done).count());
    }
}
