//! The process is killed between any two syncs of a run that takes events in and processes them: after reopening, the
//! senders sending again what was not answered, and the due jobs running, everything is as without the kill.

use std::sync::{Arc, Mutex};

use tropism::disk::{CrashKind, SimulatedDisk};

use super::{order::standing, *};

struct Image {
    disk: SimulatedDisk,
    what: String,
    answered: Vec<String>,
}

fn deliveries() -> Vec<Delivery> {
    vec![
        opened("opened", "open", 1, "aaa"),
        check_run(1, "aaa", "queued", 1),
        Delivery::new("broken", "pull_request", &json!({ "action": "opened" })),
        review("ada", "approved", 4),
        issue_comment("created", "why?", 5),
        check_run(1, "aaa", "completed", 3),
        Delivery::new("unknown", "sponsorship", &json!({})),
        opened("closed", "merged", 16, "aaa"),
    ]
}

/// Sends and processes by turns.
fn run(desk: &Desk, mut answered: impl FnMut(&str)) {
    for (number, delivery) in deliveries().iter().enumerate() {
        desk.send(delivery).unwrap();
        answered(&delivery.id);
        if number % 2 == 1 {
            desk.process();
        }
    }
    desk.process();
}

/// What was done, without when.
fn history(desk: &Desk) -> Vec<(String, String, Option<String>)> {
    let events = desk.db.read(|tx| tx.query(HistoryEvent::by_id).collect()).unwrap();
    let mut history: Vec<_> =
        events.iter().map(|event| (event.action.clone(), event.user.clone(), event.details.clone())).collect();
    history.sort();
    history
}

fn statuses(desk: &Desk) -> Vec<(String, WebhookStatus)> {
    let events = desk.db.read(|tx| tx.query(WebhookEvent::by_source_and_delivery).collect()).unwrap();
    events.iter().map(|event| (event.delivery_id.clone(), event.status)).collect()
}

#[test]
fn a_kill_between_any_two_syncs_changes_nothing_in_the_end() {
    let (undisturbed, task) = Desk::new().with_task();
    run(&undisturbed, |_| {});
    undisturbed.scheduler.advance(Duration::from_secs(7_200)).unwrap();
    let expected = (standing(&undisturbed, task), history(&undisturbed), statuses(&undisturbed));

    let disk = SimulatedDisk::new(3);
    let (desk, task_again) = Desk::with(disk.clone(), Limits::default()).with_task();
    assert_eq!(task, task_again);
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let answered: Arc<Mutex<Vec<String>>> = Arc::default();
    let (kept, known) = (Arc::clone(&images), Arc::clone(&answered));
    disk.observe_syncs(move |disk, point| {
        for kind in [CrashKind::LoseUnsynced, CrashKind::Torn(point.index)] {
            let answered = known.lock().unwrap().clone();
            kept.lock().unwrap().push(Image { disk: disk.crash(kind), what: format!("{kind:?} {point:?}"), answered });
        }
    });
    run(&desk, |id| answered.lock().unwrap().push(id.to_owned()));
    drop(desk);
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 20, "{} kills", images.len());

    for Image { disk, what, answered } in images {
        let desk = Desk::with(disk, Limits::default());
        let there = statuses(&desk);
        for id in &answered {
            assert!(there.iter().any(|(other, _)| other == id), "{what}: {id} was answered 200 and is gone");
        }
        for delivery in deliveries().iter().filter(|delivery| !answered.contains(&delivery.id)) {
            desk.send(delivery).unwrap();
        }
        desk.process();
        desk.scheduler.advance(Duration::from_secs(7_200)).unwrap();
        let found = (standing(&desk, task), history(&desk), statuses(&desk));
        assert_eq!(found, expected, "{what}");
    }
}
