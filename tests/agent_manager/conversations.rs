//! What the provider is told: the matter, and what was said.

use super::{
    provider::{StandIn, Turn, malformed},
    *,
};

fn said(request: &AiRequest) -> Vec<(AiRole, &str)> {
    request.messages.iter().map(|message| (message.role, message.text.as_str())).collect()
}

/// Asks, and says what the provider was told.
fn asked(office: &Office, stand_in: &StandIn, arguments: Value) -> AiRequest {
    office.call("chat:send", arguments);
    office.scheduler.run_due().unwrap();
    stand_in.asked().pop().expect("it was asked")
}

#[test]
fn a_message_is_about_exactly_one_project_or_one_task() {
    let office = Office::new();
    let (project, task) = office.one_task();
    for name in ["chat:send", "chat:post"] {
        for target in [json!({}), json!({ "projectId": project, "taskId": task })] {
            let mut arguments = target;
            arguments["text"] = json!("hello");
            let error = office.refusal(name, arguments);
            assert_eq!(data(&error), &json!({ "kind": "messageTarget" }));
        }
    }
    assert_eq!(office.count(ChatMessage::by_id), 0);
    assert!(office.scheduler.run_due().unwrap().is_empty(), "and nobody is asked");
}

#[test]
fn a_message_needs_a_text_and_something_that_is_there() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let error = office.refusal("chat:send", json!({ "projectId": project, "text": " " }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "text" }));
    office.call("projects:delete", json!({ "id": project }));
    for (key, id) in [("projectId", project.to_string()), ("taskId", task.to_string())] {
        let error = office.refusal("chat:send", json!({ key: id, "text": "hello" }));
        assert!(error.to_string().contains(&id), "{error}");
    }
}

#[test]
fn a_provider_is_told_of_the_project_with_its_specification_and_its_tasks() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let arguments = json!({ "name": "Apollo", "description": "To the moon", "specification": "# Three stages" });
    let project: Id<Project> = office.add("projects:create", arguments);
    let task = json!({ "projectId": project, "title": "Lift off", "category": "review", "priority": "urgent" });
    office.call("tasks:create", task);
    office.task(office.project("Gemini"), "Dock");
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "What next?" }));
    for part in ["Apollo", "To the moon", "# Three stages", "[review] Lift off (urgent)"] {
        assert!(request.system.contains(part), "{part}: {}", request.system);
    }
    assert!(!request.system.contains("Dock"), "{}", request.system);
    assert_eq!(said(&request), [(AiRole::User, "What next?")]);
}

#[test]
fn a_provider_is_told_of_the_task_with_its_criteria_and_pull_requests() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let project = office.project("Apollo");
    let task = json!({ "projectId": project, "title": "Lift off", "description": "Go up", "priority": "high" });
    let task: Id<Task> = office.add("tasks:create", task);
    for text in ["It flies", "It lands"] {
        office.call("acceptanceCriteria:create", json!({ "taskId": task, "text": text }));
    }
    let first = office.all(AcceptanceCriterion::by_id)[0].id();
    office.call("acceptanceCriteria:update", json!({ "id": first, "done": true }));
    office.pull_request(7, Some(task));
    let request = asked(&office, &stand_in, json!({ "taskId": task, "text": "Is it done?" }));
    let parts = ["Apollo", "Lift off", "Go up", "high", "[x] It flies", "[ ] It lands", "nasa/apollo#7", "open"];
    for part in parts {
        assert!(request.system.contains(part), "{part}: {}", request.system);
    }
}

#[test]
fn a_provider_is_told_the_context_as_it_is_when_it_is_asked() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let (project, task) = office.one_task();
    office.call("chat:send", json!({ "projectId": project, "text": "What next?" }));
    office.call("tasks:update", json!({ "id": task, "title": "Landing" }));
    office.scheduler.run_due().unwrap();
    assert!(stand_in.asked()[0].system.contains("Landing"));
}

#[test]
fn a_conversation_has_what_was_said_before_oldest_first() {
    let stand_in = StandIn::of([Turn::Says("Far")]);
    let office = stand_in.office();
    let project = office.project("Apollo");
    asked(&office, &stand_in, json!({ "projectId": project, "text": "How far?" }));
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "How high?" }));
    let expected = [(AiRole::User, "How far?"), (AiRole::Assistant, "Far"), (AiRole::User, "How high?")];
    assert_eq!(said(&request), expected);
}

#[test]
fn a_conversation_has_no_answers_that_failed() {
    let stand_in = StandIn::of([Turn::Fails(malformed())]);
    let office = stand_in.office();
    let project = office.project("Apollo");
    asked(&office, &stand_in, json!({ "projectId": project, "text": "How far?" }));
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "How high?" }));
    assert_eq!(said(&request), [(AiRole::User, "How far?"), (AiRole::User, "How high?")]);
}

#[test]
fn a_conversation_about_a_task_is_not_the_one_about_its_project() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let (project, task) = office.one_task();
    let other = office.task(project, "other");
    asked(&office, &stand_in, json!({ "projectId": project, "text": "project" }));
    asked(&office, &stand_in, json!({ "taskId": other, "text": "other" }));
    let request = asked(&office, &stand_in, json!({ "taskId": task, "text": "task" }));
    assert_eq!(said(&request), [(AiRole::User, "task")]);
}

#[test]
fn questions_that_wait_together_are_each_told_only_what_came_before_them() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let project = office.project("Apollo");
    for text in ["one", "two"] {
        office.call("chat:send", json!({ "projectId": project, "text": text }));
    }
    office.scheduler.run_due().unwrap();
    let asked = stand_in.asked();
    assert_eq!(said(&asked[0]), [(AiRole::User, "one")]);
    assert_eq!(said(&asked[1]).last(), Some(&(AiRole::User, "two")));
}

#[test]
fn a_message_of_the_program_is_told_and_not_answered() {
    let stand_in = StandIn::default();
    let office = stand_in.office();
    let project = office.project("Apollo");
    let posted: Id<ChatMessage> = office.add("chat:post", json!({ "projectId": project, "text": "Deployed" }));
    assert_eq!((office.row(posted).author, office.row(posted).status), (ChatAuthor::System, ChatStatus::Complete));
    assert!(office.scheduler.run_due().unwrap().is_empty());
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "Well?" }));
    assert_eq!(said(&request).len(), 2);
    assert_eq!(request.messages[0].text, "Deployed");
}

#[test]
fn a_provider_is_told_the_last_messages_as_many_as_the_host_wants() {
    let stand_in = StandIn::default();
    let limits = Limits { conversation_messages: 3, ..Limits::default() };
    let office = Office::with(AgentManager::new().provider(stand_in.clone()).limits(limits));
    let project = office.project("Apollo");
    for number in 0..9 {
        office.call("chat:post", json!({ "projectId": project, "text": number.to_string(), "author": "user" }));
    }
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "Well?" }));
    let texts: Vec<_> = said(&request).iter().map(|(_, text)| *text).collect();
    assert_eq!(texts, ["7", "8", "Well?"]);
}

#[test]
fn the_last_message_that_a_provider_is_told_is_the_question() {
    let stand_in = StandIn::default();
    let limits = Limits { conversation_messages: 0, ..Limits::default() };
    let office = Office::with(AgentManager::new().provider(stand_in.clone()).limits(limits));
    let project = office.project("Apollo");
    let request = asked(&office, &stand_in, json!({ "projectId": project, "text": "Well?" }));
    assert_eq!(said(&request).last(), Some(&(AiRole::User, "Well?")));
}

#[test]
fn a_provider_is_not_asked_about_a_question_that_was_taken_back() {
    let stand_in = StandIn::of([Turn::Says("Far")]);
    let office = stand_in.office();
    let project = office.project("Apollo");
    asked(&office, &stand_in, json!({ "projectId": project, "text": "How far?" }));
    let answer: Id<ChatMessage> = office.add("chat:send", json!({ "projectId": project, "text": "How high?" }));
    let question = office.row(answer).reply_to.unwrap();
    office.call("chat:delete", json!({ "id": question }));
    office.scheduler.advance(MINUTE).unwrap();
    let told = stand_in.asked();
    assert!(told.iter().all(|request| request.messages.last().map(|last| last.role) == Some(AiRole::User)), "{told:?}");
    assert_ne!(office.get(answer).map(|answer| answer.status), Some(ChatStatus::Pending));
}

#[test]
fn an_answer_that_is_asked_for_again_is_told_what_came_before_it() {
    let stand_in = StandIn::of([Turn::Fails(malformed()), Turn::Says("High")]);
    let office = stand_in.office();
    let project = office.project("Apollo");
    let answer: Id<ChatMessage> = office.add("chat:send", json!({ "projectId": project, "text": "How far?" }));
    office.scheduler.run_due().unwrap();
    asked(&office, &stand_in, json!({ "projectId": project, "text": "How high?" }));
    office.call("chat:retry", json!({ "id": answer }));
    office.scheduler.run_due().unwrap();
    assert_eq!(said(&stand_in.asked()[2]), [(AiRole::User, "How far?")]);
}

#[test]
fn messages_are_listed_oldest_first() {
    let office = StandIn::default().office();
    let project = office.project("Apollo");
    for text in ["one", "two"] {
        office.call("chat:send", json!({ "projectId": project, "text": text }));
    }
    let listed = office.db.query(ListProjectMessages { project_id: project, limit: LISTED }).unwrap();
    let authors: Vec<_> = listed.iter().map(|message| (message.author, message.text.as_str())).collect();
    let (user, ai) = (ChatAuthor::User, ChatAuthor::Ai);
    assert_eq!(authors, [(user, "one"), (ai, ""), (user, "two"), (ai, "")]);
}

#[test]
fn a_deleted_question_leaves_its_answer() {
    let office = StandIn::default().office();
    let project = office.project("Apollo");
    let answer: Id<ChatMessage> = office.add("chat:send", json!({ "projectId": project, "text": "one" }));
    office.scheduler.run_due().unwrap();
    let question = office.row(answer).reply_to.unwrap();
    office.call("chat:delete", json!({ "id": question }));
    assert_eq!((office.row(answer).reply_to, office.row(answer).text.as_str()), (None, "fine"));
}
