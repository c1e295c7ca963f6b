# Sourced by scripts/install, scripts/uninstall and scripts/package: options, where things are, manual pages.
# shellcheck shell=sh

programs='chat-stated chat-frontd chat-client chatctl'
prefix=/usr/local
user=chatserv
run_dir=/var/lib/chatserv
backup_dir=/var/backups/chatserv
config_dir=/etc/chatserv
destination=${DESTDIR:-}

# write_pages BIN_DIR DIR: writes the manual pages and completions of the programs there below DIR, as in /usr/share.
write_pages() {
    for program in $programs; do
        section=8
        [ "$program" != chat-client ] || section=1
        "$1/$program" --write-pages "$2" "$section" || fail "$1/$program cannot write its manual page"
    done
}

# take_installation_options "$@"
take_installation_options() {
    while [ $# -gt 0 ]; do
        option=$1
        case $option in
        --prefix | --user | --run-dir | --backup-dir | --config-dir) ;;
        --prefix=* | --user=* | --run-dir=* | --backup-dir=* | --config-dir=*)
            value=${option#*=}
            shift
            set -- "${option%%=*}" "$value" "$@"
            option=$1
            ;;
        *) fail_usage "unexpected argument $option; see --help" ;;
        esac
        [ $# -gt 1 ] || fail_usage "$option needs a value"
        value=$2
        shift 2
        case $option in
        --user)
            case $value in
            [a-z_]*) user=$value ;;
            *) fail_usage "$value is no name of a user" ;;
            esac
            case $value in
            *[!a-z0-9_-]*) fail_usage "$value is no name of a user" ;;
            esac
            continue
            ;;
        esac
        value=${value%/}
        # Units of systemd give white space and % a meaning. --purge removes whole directories.
        case $option:$value in
        *:*[!A-Za-z0-9/._-]*) fail_usage "$option $value: use letters, digits and ._- only" ;;
        *:*..* | *:*//*) fail_usage "$option $value: write the path without .. and //" ;;
        --prefix:/?* | *:/?*/?*) ;;
        *) fail_usage "$option needs an absolute path, not '$value', with two parts at least for data" ;;
        esac
        case $option in
        --prefix) prefix=$value ;;
        --run-dir) run_dir=$value ;;
        --backup-dir) backup_dir=$value ;;
        --config-dir) config_dir=$value ;;
        esac
    done
    list_file=$prefix/share/chatserv/installed-files
}
