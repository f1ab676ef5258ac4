//! The options that README.md lists are those of `Config`, with their defaults.

use std::time::Duration;

use tropism::{Config, Durability};

fn size(bytes: u64) -> String {
    assert_eq!(bytes % (1 << 20), 0, "{bytes} bytes are no whole MiB");
    format!("{} MiB", bytes >> 20)
}

fn duration(duration: Duration) -> String {
    const DAY: Duration = Duration::from_secs(86_400);
    match duration.as_secs() / DAY.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        days => format!("{days} days"),
    }
}

#[test]
fn the_defaults_in_the_readme_are_those_of_config() {
    // Taken apart, so that a new option is missed here.
    let Config {
        durability,
        flush_interval,
        overlay_limit_bytes,
        checkpoint_bytes,
        log_segment_bytes,
        base_cache_bytes,
        recent_bytes,
        slow_query,
        recent_calls,
        job_retention,
    } = Config::default();
    let durability = match durability {
        Durability::Durable => "durable".to_owned(),
        Durability::Relaxed => "relaxed".to_owned(),
    };
    let defaults = [
        ("durability", durability),
        ("flush_interval", duration(flush_interval)),
        ("overlay_limit_bytes", size(overlay_limit_bytes as u64)),
        ("checkpoint_bytes", size(checkpoint_bytes as u64)),
        ("log_segment_bytes", size(log_segment_bytes)),
        ("base_cache_bytes", size(base_cache_bytes as u64)),
        ("recent_bytes", size(recent_bytes as u64)),
        ("slow_query", duration(slow_query)),
        ("recent_calls", recent_calls.to_string()),
        ("job_retention", duration(job_retention)),
    ];
    let readme = std::fs::read_to_string(super::root().join("README.md")).unwrap();
    for (name, default) in defaults {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("README.md does not list `{name}`"));
        let listed = row.split('|').nth(3).unwrap_or_default().trim();
        assert_eq!(listed, default, "the default of `{name}` in README.md");
    }
}
