//! Answers: given, late, refused, broken, given up, and asked for again.

use super::{
    provider::{StandIn, Turn, ask, malformed, rate_limited, refused, state},
    *,
};

fn pending() -> (ChatStatus, String) {
    (ChatStatus::Pending, String::new())
}

fn complete(text: &str) -> (ChatStatus, String) {
    (ChatStatus::Complete, text.to_owned())
}

#[test]
fn an_answer_is_pending_until_it_is_there() {
    let stand_in = StandIn::of([Turn::Says("384,400 km")]);
    let office = stand_in.office();
    let answer = ask(&office);
    assert_eq!((state(&office, answer), stand_in.times_asked()), (pending(), 0));
    assert_eq!(office.row(answer).author, ChatAuthor::Ai);
    office.scheduler.run_due().unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("384,400 km"), 1));
}

#[test]
fn an_answer_replies_to_the_question() {
    let office = StandIn::default().office();
    let answer = office.row(ask(&office));
    let question = office.row(answer.reply_to.unwrap());
    assert_eq!(
        (question.author, question.status, question.text.as_str()),
        (ChatAuthor::User, ChatStatus::Complete, "How far?")
    );
    assert_eq!((question.project_id, question.reply_to), (answer.project_id, None));
}

#[test]
fn a_provider_that_says_when_to_come_back_is_asked_no_sooner() {
    let stand_in = StandIn::of([Turn::Fails(rate_limited(Some(10 * MINUTE)))]);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.run_due().unwrap();
    office.scheduler.advance(10 * MINUTE - Duration::from_millis(1)).unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (pending(), 1));
    office.scheduler.advance(Duration::from_millis(1)).unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 2));
}

#[test]
fn an_overloaded_provider_is_asked_no_sooner_than_it_says() {
    let error = AiError::Unavailable { status: Some(529), message: "busy".into(), retry_after: Some(10 * MINUTE) };
    let stand_in = StandIn::of([Turn::Fails(error)]);
    let office = stand_in.office();
    ask(&office);
    office.scheduler.advance(10 * MINUTE - Duration::from_millis(1)).unwrap();
    assert_eq!(stand_in.times_asked(), 1);
    office.scheduler.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(stand_in.times_asked(), 2);
}

#[test]
fn a_provider_that_does_not_say_when_to_come_back_is_asked_soon() {
    let stand_in = StandIn::of([Turn::Fails(rate_limited(None)), Turn::Fails(AiError::TimedOut { after: MINUTE })]);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(10 * SECOND).unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 3));
}

#[test]
fn the_last_attempt_that_fails_is_written_into_the_answer() {
    let stand_in = StandIn::default();
    stand_in.fails(&rate_limited(None), 99);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(HOUR / 2).unwrap();
    let (status, text) = state(&office, answer);
    assert_eq!((status, stand_in.times_asked()), (ChatStatus::Failed, 5));
    assert!(text.contains("limits the rate"), "{text}");
    office.scheduler.advance(DAY).unwrap();
    assert_eq!(stand_in.times_asked(), 5);
}

#[test]
fn the_host_says_how_often_a_provider_is_asked() {
    let stand_in = StandIn::default();
    stand_in.fails(&rate_limited(None), 99);
    let limits = Limits { answer_attempts: 2, ..Limits::default() };
    let office = Office::with(AgentManager::new().provider(stand_in.clone()).limits(limits));
    let answer = ask(&office);
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!((state(&office, answer).0, stand_in.times_asked()), (ChatStatus::Failed, 2));
}

#[test]
fn what_is_refused_or_malformed_is_not_asked_again() {
    for (error, said) in [(refused(), "no such key"), (malformed(), "no text"), (AiError::EmptyConversation, "no user")]
    {
        let stand_in = StandIn::default();
        stand_in.fails(&error, 1);
        let office = stand_in.office();
        let answer = ask(&office);
        office.scheduler.run_due().unwrap();
        let (status, text) = state(&office, answer);
        assert_eq!(status, ChatStatus::Failed);
        assert!(text.contains(said), "{text}");
        office.scheduler.advance(DAY).unwrap();
        assert_eq!((state(&office, answer).0, stand_in.times_asked()), (ChatStatus::Failed, 1));
    }
}

#[test]
fn without_a_provider_an_answer_fails_and_says_so() {
    let office = Office::new();
    let answer = ask(&office);
    office.scheduler.run_due().unwrap();
    let (status, text) = state(&office, answer);
    assert_eq!(status, ChatStatus::Failed);
    assert!(text.contains("AgentManager::provider"), "{text}");
}

#[test]
fn a_provider_that_panics_once_is_asked_again() {
    let stand_in = StandIn::of([Turn::Panics]);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 2));
}

#[test]
fn an_answer_whose_provider_panics_every_time_fails_with_the_last_attempt() {
    let stand_in = StandIn::of((0..99).map(|_| Turn::Panics));
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(HOUR / 2).unwrap();
    assert_eq!((state(&office, answer).0, stand_in.times_asked()), (ChatStatus::Failed, 5));
}

#[test]
fn a_provider_that_panics_harms_nobody_else() {
    let stand_in = StandIn::of([Turn::Panics, Turn::Says("one")]);
    let office = stand_in.office();
    let (first, second) = (ask(&office), ask(&office));
    office.scheduler.run_due().unwrap();
    assert_eq!((state(&office, first), state(&office, second)), (pending(), complete("one")));
}

#[test]
fn an_answer_expires_and_nobody_is_asked_any_more() {
    let stand_in = StandIn::default();
    stand_in.fails(&rate_limited(Some(2 * HOUR)), 1);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(HOUR - Duration::from_millis(1)).unwrap();
    assert_eq!(state(&office, answer), pending());
    office.scheduler.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(state(&office, answer), (ChatStatus::Failed, "no answer came in time".to_owned()));
    office.scheduler.advance(DAY).unwrap();
    assert_eq!((state(&office, answer).0, stand_in.times_asked()), (ChatStatus::Failed, 1));
}

#[test]
fn an_answer_that_is_there_does_not_expire() {
    let office = StandIn::default().office();
    let answer = ask(&office);
    office.scheduler.advance(DAY).unwrap();
    assert_eq!(state(&office, answer), complete("fine"));
}

#[test]
fn a_failed_answer_is_asked_for_again() {
    let stand_in = StandIn::of([Turn::Fails(refused())]);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.run_due().unwrap();
    office.call("chat:retry", json!({ "id": answer }));
    assert_eq!(state(&office, answer), pending());
    office.scheduler.run_due().unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 2));
}

#[test]
fn only_a_failed_answer_is_asked_for_again() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let answer = ask(&office);
    let question = office.row(answer).reply_to.unwrap();
    office.call("chat:retry", json!({ "id": answer }));
    office.call("chat:retry", json!({ "id": question }));
    office.scheduler.run_due().unwrap();
    office.call("chat:retry", json!({ "id": answer }));
    office.scheduler.run_due().unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 1));
    assert_eq!(state(&office, question), complete("How far?"));
}

#[test]
fn an_answer_that_is_asked_for_again_has_all_its_time_again() {
    let stand_in = StandIn::of([Turn::Fails(refused()), Turn::Fails(rate_limited(Some(10 * MINUTE)))]);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(55 * MINUTE).unwrap();
    office.call("chat:retry", json!({ "id": answer }));
    // The first asking would have been given up after an hour.
    office.scheduler.advance(6 * MINUTE).unwrap();
    assert_eq!(state(&office, answer), pending());
    office.scheduler.advance(4 * MINUTE).unwrap();
    assert_eq!(state(&office, answer), complete("fine"));
}

#[test]
fn an_answer_that_expired_and_is_asked_for_again_is_asked_for_by_one() {
    let stand_in = StandIn::default();
    stand_in.fails(&rate_limited(Some(90 * MINUTE)), 2);
    let office = stand_in.office();
    let answer = ask(&office);
    office.scheduler.advance(HOUR).unwrap();
    office.call("chat:retry", json!({ "id": answer }));
    office.scheduler.run_due().unwrap();
    assert_eq!(stand_in.times_asked(), 2);
    // The first asking would come back half an hour later.
    office.scheduler.advance(40 * MINUTE).unwrap();
    assert_eq!(stand_in.times_asked(), 2);
}

#[test]
fn an_answer_that_was_deleted_is_not_asked_for() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let answer = ask(&office);
    office.call("chat:delete", json!({ "id": answer }));
    office.scheduler.advance(DAY).unwrap();
    assert_eq!((office.get(answer), stand_in.times_asked()), (None, 0));
}

#[test]
fn the_answers_of_a_deleted_project_are_not_asked_for() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let answer = ask(&office);
    office.call("projects:delete", json!({ "id": office.row(answer).project_id }));
    office.scheduler.advance(DAY).unwrap();
    assert_eq!(stand_in.times_asked(), 0);
}

#[test]
fn who_looks_at_the_messages_sees_the_answer_come() {
    let office = StandIn::default().office();
    let answer = ask(&office);
    let project_id = office.row(answer).project_id.unwrap();
    let live = office.db.subscribe(ListProjectMessages { project_id, limit: LISTED }).unwrap();
    assert_eq!(live.recv().unwrap().unwrap().last().unwrap().status, ChatStatus::Pending);
    office.scheduler.run_due().unwrap();
    office.db.reactor().unwrap().run();
    assert_eq!(live.try_recv().unwrap().unwrap().last().unwrap().text, "fine");
}

#[test]
fn a_question_that_was_asked_before_the_database_was_closed_is_answered_after_it() {
    let (disk, stand_in) = (MemoryDisk::default(), StandIn::default());
    let manager = || AgentManager::new().provider(stand_in.clone());
    let office = Office::on(disk.clone(), manager(), START);
    let answer = ask(&office);
    office.db.close().unwrap();
    let office = Office::on(disk, manager(), after(MINUTE));
    assert_eq!(state(&office, answer), pending());
    office.scheduler.run_due().unwrap();
    assert_eq!((state(&office, answer), stand_in.times_asked()), (complete("fine"), 1));
}

#[test]
fn attempts_are_counted_across_a_close() {
    let (disk, stand_in) = (MemoryDisk::default(), StandIn::default());
    stand_in.fails(&rate_limited(Some(MINUTE)), 99);
    let manager = || AgentManager::new().provider(stand_in.clone());
    let mut office = Office::on(disk.clone(), manager(), START);
    let answer = ask(&office);
    for round in 1..=5 {
        office.scheduler.run_due().unwrap();
        assert_eq!(stand_in.times_asked(), round);
        office.db.close().unwrap();
        // Longer than any wait so far, and not an hour in all.
        office = Office::on(disk.clone(), manager(), after(5 * MINUTE * u32::try_from(round).unwrap()));
    }
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!((state(&office, answer).0, stand_in.times_asked()), (ChatStatus::Failed, 5));
}

#[test]
fn an_answer_whose_time_ran_out_while_the_database_was_closed_is_settled_when_it_is_opened() {
    let disk = MemoryDisk::default();
    let office = Office::on(disk.clone(), AgentManager::new().provider(StandIn::default()), START);
    let answer = ask(&office);
    office.db.close().unwrap();
    let office = Office::on(disk, AgentManager::new().provider(StandIn::default()), after(DAY));
    office.scheduler.run_due().unwrap();
    assert_ne!(state(&office, answer).0, ChatStatus::Pending);
}
