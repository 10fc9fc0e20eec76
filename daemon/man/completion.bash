# bash completion for m365stage: asks the program itself, so it knows every command and option that there is.
_m365stage() {
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=() word help
    COMPREPLY=()
    case $previous in
        --config | --tree | --from | --to)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word =~ ^[a-z][a-z-]*$ ]] && words+=("$word")
    done
    # Words that are values and no commands are refused; then the help of what stands before them.
    until help=$("${COMP_WORDS[0]}" "${words[@]}" --help 2> /dev/null); do
        [ ${#words[@]} -gt 0 ] || return
        unset "words[-1]"
    done
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE \
        -e '/^Subcommands:/,/^[^ ]/s/^  ([a-z][a-z-]*) .*/\1/p' -e 's/^  (-[a-z],)?(--[a-z-]+).*/\2/p' <<< "$help")" -- "$cur")
}
complete -o default -F _m365stage m365stage
