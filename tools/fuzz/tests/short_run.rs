//! Each fuzz target over its corpus and some thousand mutations of it, from a fixed seed.

use chat_fuzz::TARGETS;
use chat_fuzz::short_run::run;

macro_rules! short_runs {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            run(stringify!($target));
        })*

        #[test]
        fn no_target_is_left_out() {
            let run = [$(stringify!($target)),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, run);
        }
    };
}

short_runs! {
    line
    session
    frame
    daemon
    worker
    entry
    account_file
    tls
    backup
    status_file
    proxy_header
}
