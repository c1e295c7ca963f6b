# Sourced by the other scripts: paths, settings, messages, and how to call a daemon's program.
# shellcheck shell=sh

# A script that is called through a link finds its own directory.
scripts=$(dirname -- "$(readlink -f -- "$0")")
root=$(dirname -- "$scripts")

# Settings of the daemons: docs/settings.md. A test compares the list with the programs.
settings='CHAT_LOG CHAT_LOG_FORMAT CHAT_STRICT_PERMISSIONS CHAT_SANDBOX CHAT_STATE_USER CHAT_WORKER_USER BLOCK_TIME
    CHAT_REGISTRATION CHAT_MAX_ACCOUNTS CHAT_WAITING_BYTES CHAT_SENDER_WAITING_PERCENT CHAT_QUEUE_MESSAGES
    CHAT_QUEUE_BYTES CHAT_SENDER_SHARE_PERCENT CHAT_BROADCAST_MESSAGES CHAT_BROADCAST_BYTES
    CHAT_BROADCASTS_PER_MINUTE CHAT_SESSION_UNUSED_DAYS CHAT_TRUSTED CHAT_MAX_CONNECTIONS CHAT_MAX_ADDRESS_CONNECTIONS
    CHAT_MAX_NETWORK_CONNECTIONS CHAT_MAX_UNAUTHENTICATED CHAT_MAX_SOURCE_UNAUTHENTICATED CHAT_LOGINS_PER_MINUTE
    CHAT_LOGIN_BURST CHAT_REGISTRATIONS_PER_HOUR CHAT_ARGON2_MEMORY_KIB CHAT_ARGON2_ITERATIONS CHAT_ARGON2_LANES
    CHAT_RESIDENT_TEXT_BYTES CHAT_DIRECT_HISTORY CHAT_HISTORY_DAYS
    CHAT_LISTEN CHAT_LISTEN_TLS CHAT_TLS_CERT CHAT_TLS_KEY CHAT_MAX_HANDSHAKES
    CHAT_HANDSHAKE_TIME_OUT CHAT_WORKERS TIME_OUT CHAT_MAX_LINE_BYTES CHAT_MAX_CLIENTS CHAT_MAX_UNREAD_BYTES
    CHAT_MAX_BUFFER_BYTES CHAT_MAX_RECIPIENTS CHAT_LOGIN_TIME_OUT CHAT_LINES_PER_SECOND CHAT_LINE_BURST
    CHAT_CONNECTIONS_PER_SECOND CHAT_CONNECTION_BURST CHAT_SOURCE_CONNECTIONS_PER_SECOND
    CHAT_SOURCE_CONNECTION_BURST CHAT_PROXY_FROM CHAT_PROXY_TIME_OUT'
# Other variables of the scripts, the client and the tests.
other_variables='CHAT_RUN_DIR CHAT_CONFIG CHAT_BIN_DIR CHAT_HOST CHAT_PORT CHAT_TLS CHAT_CA CHAT_NO_PUSH CHAT_PLAIN
    CHAT_PASSWORD_FILE CHAT_USER CHAT_KEEP_LOGIN CHAT_CLIENT_CONFIG CHAT_CONNECT_TIMEOUT CHAT_ANSWER_TIMEOUT
    CHAT_CRASH_FILE CHAT_CERT_DAYS'

# An empty variable counts as unset, here and in the programs.
CHAT_RUN_DIR=${CHAT_RUN_DIR:-$root/run}
# Otherwise programs would take it for a flag.
case $CHAT_RUN_DIR in
-*) CHAT_RUN_DIR=./$CHAT_RUN_DIR ;;
esac
export CHAT_RUN_DIR

# With CHAT_BIN_DIR, the existing programs there are used, and nothing is built.
bin_dir=${CHAT_BIN_DIR:-${CARGO_TARGET_DIR:-$root/target}/release}

# The work continues even if nobody reads the output.
trap '' PIPE

# say TEXT: prints TEXT. If that fails, a warning goes to standard error, and the work continues.
say() {
    printf '%s\n' "$1" 2>/dev/null || [ -p /dev/stdout ] ||
        complain "scripts/$(basename -- "$0"): cannot write to the standard output; its output is lost"
}

# complain TEXT: prints TEXT to standard error. If even that fails, only the exit status tells of the error.
complain() {
    printf '%s\n' "$1" >&2 2>/dev/null || :
}

# fail TEXT: prints an error and exits with status 1.
fail() {
    complain "scripts/$(basename -- "$0"): $1"
    exit 1
}

# Prints the comment at the top of the script, which is its help.
show_help() {
    sed -n '1d; /^#/!q; s/^# \{0,1\}//p' "$(readlink -f -- "$0")"
}

# show_help_if_asked "$@": for scripts that take arguments of their own.
show_help_if_asked() {
    case ${1:-} in
    -h | --help)
        show_help || exit 1
        exit 0
        ;;
    esac
}

# fail_usage TEXT: prints an error and the usage, and exits with status 2.
fail_usage() {
    complain "scripts/$(basename -- "$0"): $1"
    complain "$(show_help | sed -n '1p')"
    exit 2
}

# take_no_arguments "$@": for scripts without arguments. They do nothing if they are called with any.
take_no_arguments() {
    show_help_if_asked "$@"
    [ $# -eq 0 ] || fail_usage "unexpected argument $1; see --help"
}

# A misspelt setting would have no effect: a limit that does not limit.
warn_of_unknown_settings() {
    # shellcheck disable=SC2086,SC2116
    known=" $(echo $settings $other_variables) "
    for variable in $(env | sed -n 's/^\(CHAT_[A-Za-z0-9_]*\)=.*/\1/p'); do
        case $known in
        *" $variable "*) ;;
        *) complain "warning: $variable is no setting, and changes nothing (misspelt? docs/settings.md has all)" ;;
        esac
    done
}

# daemon NAME FLAG...: runs a command of the program on the daemon of the run directory. If the program is missing, the
# binary of the running daemon is used.
daemon() {
    program=$1
    shift
    # An invalid setting must not prevent a running daemon from being stopped.
    unset_settings=env
    for variable in $settings; do
        unset_settings="$unset_settings -u $variable"
    done
    if [ -x "$bin_dir/$program" ]; then
        $unset_settings "$bin_dir/$program" "$@"
        return
    fi
    pid_file=$CHAT_RUN_DIR/$program.pid
    pid=$(cat "$pid_file" 2>/dev/null) || pid=
    case $(readlink "/proc/${pid:-none}/exe" 2>/dev/null) in
    */"$program" | */"$program (deleted)")
        # The number may be forged, so no program of another user is run.
        if [ -O "/proc/$pid" ]; then
            $unset_settings "/proc/$pid/exe" "$@"
            return
        fi
        ;;
    esac
    # A daemon that cannot be seen may run nevertheless: in a container, hidden, or as another user.
    if [ -e "$pid_file" ] && ! { command -v flock >/dev/null 2>&1 && flock -n -s "$pid_file" true; }; then
        complain "$program: may run as process ${pid:-unknown}, but that is uncertain: there is no $bin_dir/$program"
        case $1 in
        --status) return 4 ;;
        *) return 1 ;;
        esac
    fi
    say "$program: not running"
    case $1 in
    --stop) return 0 ;;
    --status) return 3 ;;
    *) return 1 ;;
    esac
}
