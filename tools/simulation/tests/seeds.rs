//! Worlds of crashes: nothing acknowledged is lost, doubled or out of order in any of them.

use chat_simulation::{Report, run};

const SEEDS: u64 = 256;
const STEPS: usize = 3_000;

#[test]
fn every_promise_holds_in_every_world() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..SEEDS)
                        .step_by(threads as usize)
                        .map(|seed| run(seed, STEPS).unwrap_or_else(|broken| panic!("{broken}")))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().expect("a promise was broken: see above"))
            .collect()
    });
    // A world in which nothing happens proves nothing.
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let acknowledged = sum(|report| report.acknowledged);
    assert!(acknowledged > 100_000, "{acknowledged}");
    assert!(sum(|report| report.confirmed) > 1_000);
    assert!(sum(|report| report.repeats) > 1_000);
    let repeated_sends = sum(|report| report.repeated_sends);
    assert!(repeated_sends > 500, "{repeated_sends}");
    let of_room = sum(|report| report.of_room);
    assert!(of_room > 5_000, "{of_room}");
    let history_lines = sum(|report| report.history_lines);
    assert!(history_lines > 10_000, "{history_lines}");
    let (lost, replaced) = (sum(|it| it.places_lost), sum(|it| it.replaced));
    assert!(lost > 100 && replaced > 500, "{lost} {replaced}");
    assert!(sum(|report| report.client_deaths) > 500);
    assert!(sum(|report| report.daemon_deaths) > 1_000);
    assert!(sum(|report| report.worker_deaths) > 1_000);
    assert!(sum(|report| report.parent_deaths) > 400);
    assert!(sum(|report| report.failed_starts) > 20);
    assert!(sum(|report| report.storms) > 100);
    assert!(sum(|report| report.logins) > 10_000);
    assert!(sum(|report| report.texts_read) > 10_000);
}

#[test]
fn seed_gives_same_world_again() {
    assert_eq!(run(42, 1_000), run(42, 1_000));
}
