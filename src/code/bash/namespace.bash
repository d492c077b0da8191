# Writes what a bash kernel has in variables, functions, aliases and options to a file, and reads it
# back into a fresh one. The gateway sets __perijove_file, __perijove_report_file and
# __perijove_directories (where the work directory may be) behind this text, and then calls
# __perijove_save; or, behind the saved lines themselves, __perijove_load.
#
# A saved file is a line of JSON, {"format": 1, "saved": [names], "skipped": [{"name", "reason"}]},
# and then lines of bash. Nothing here may print, nor stay behind: every name begins with __perijove_.
__perijove_find() {
  local __perijove_each
  for __perijove_each in "${__perijove_directories[@]}"; do
    if [[ -f $__perijove_each/$1 ]]; then
      __perijove_found=$__perijove_each/$1 __perijove_directory=$__perijove_each
      builtin return 0
    fi
  done
  builtin printf 'the kernel does not see the work directory\n' >&2
  builtin return 1
}
__perijove_forget() {
  builtin unset -f __perijove_find __perijove_wanted __perijove_list __perijove_lines __perijove_save __perijove_load __perijove_forget
  builtin unset -v "${!__perijove_@}" 2>/dev/null
  builtin return 0
}
# Names that belong to one process of bash, or to the kernel.
__perijove_wanted() {
  case $1 in
    __perijove_* | KERNEL_* | JPY_* | PERIJOVE_* | BASH | BASH_* | BASHPID | BASHOPTS | SHELLOPTS | EUID | UID | \
      PPID | COMP_* | COLUMNS | LINES | DIRSTACK | EPOCH* | FUNCNAME | GROUPS | HIST* | HOSTNAME | HOSTTYPE | \
      LINENO | MACHTYPE | MAILCHECK | OPTARG | OPTERR | OPTIND | OSTYPE | OLDPWD | PWD | PIPESTATUS | PS[0-4] | \
      PROMPT_COMMAND | RANDOM | READLINE_* | REPLY | SECONDS | SHELL | SHLVL | SRANDOM | TERM | HOME | USER | \
      LOGNAME | TMPDIR | XDG_* | COPROC | _) builtin return 1 ;;
  esac
  [[ $1 =~ ^[A-Za-z0-9_.:+@!%-]+$ ]]
}
__perijove_list() {
  local IFS=,
  local __perijove_quoted=("${@/#/\"}")
  builtin printf '%s' "${__perijove_quoted[*]/%/\"}"
}
__perijove_lines() {
  local __perijove_each __perijove_text IFS=$' \t\n'
  for __perijove_each in "${__perijove_variables[@]}"; do
    __perijove_text=$(builtin declare -p -- "$__perijove_each" 2>/dev/null) || builtin continue
    builtin printf '%s\n' "declare -g${__perijove_text#declare}"
  done
  for __perijove_each in "${__perijove_functions[@]}"; do
    builtin declare -f -- "$__perijove_each"
    __perijove_text=$(builtin declare -pF -- "$__perijove_each")
    [[ $__perijove_text == 'declare -f '* ]] || builtin printf '%s\n' "$__perijove_text"
  done
  builtin alias -p
  builtin shopt -p
  builtin printf '%s\n' "$__perijove_options"
  builtin umask -p
  [[ $PWD == "$(builtin cd -- "$__perijove_directory" && builtin pwd)"/* ]] || builtin return 0
  __perijove_text=$(builtin cd -- "$__perijove_directory" && builtin pwd)
  builtin printf 'cd -- "$__perijove_directory"/%q\n' "${PWD#"$__perijove_text"/}"
}
__perijove_save() {
  local IFS=$' \t\n' __perijove_each __perijove_skipped=
  __perijove_find "$__perijove_file" || { __perijove_forget; builtin return 1; }
  __perijove_options=$(builtin set +o)
  # That one is off in every substitution.
  [[ $- == *e* ]] && __perijove_options+=$'\nset -e'
  __perijove_variables=() __perijove_functions=() __perijove_aliases=()
  # What the shell was born with and has left as it was is not the session's; it may be a secret, too.
  declare -A __perijove_born=()
  while IFS= builtin read -r -d '' __perijove_each; do
    [[ $__perijove_each == [A-Za-z_]*=* ]] && __perijove_born[${__perijove_each%%=*}]=x${__perijove_each#*=}
  done 2>/dev/null <"/proc/$$/environ"
  while builtin read -r __perijove_each; do
    [[ $__perijove_each == IFS || ${__perijove_born[$__perijove_each]-} == "x${!__perijove_each-}" ]] && builtin continue
    __perijove_wanted "$__perijove_each" && builtin declare -p -- "$__perijove_each" &>/dev/null && __perijove_variables+=("$__perijove_each")
  done < <(builtin compgen -v)
  while builtin read -r __perijove_each; do
    [[ $__perijove_each == __perijove_* ]] && builtin continue
    if __perijove_wanted "$__perijove_each"; then
      __perijove_functions+=("$__perijove_each")
    else
      __perijove_skipped+=",{\"name\":\"a function\",\"reason\":\"its name cannot be carried\"}"
    fi
  done < <(builtin compgen -A function)
  while builtin read -r __perijove_each; do __perijove_aliases+=("$__perijove_each"); done < <(builtin compgen -a)
  [[ -z $(builtin jobs -p) ]] || __perijove_skipped+=',{"name":"jobs","reason":"background jobs belong to their shell"}'
  [[ -z $(builtin trap -p | command grep -v __perijove_) ]] 2>/dev/null || __perijove_skipped+=',{"name":"traps","reason":"traps are not carried"}'
  {
    builtin printf '{"format":1,"saved":[%s],"skipped":[%s]}\n' \
      "$(__perijove_list "${__perijove_variables[@]}" "${__perijove_functions[@]}")" "${__perijove_skipped#,}"
    __perijove_lines
  } >|"$__perijove_found"
  __perijove_forget
}
__perijove_load() {
  local IFS=$' \t\n' __perijove_each __perijove_restored=() __perijove_failed=
  __perijove_find "$__perijove_report_file" || { __perijove_forget; builtin return 1; }
  for __perijove_each in "${__perijove_saved[@]}"; do
    if builtin declare -p -- "$__perijove_each" &>/dev/null || builtin declare -F -- "$__perijove_each" &>/dev/null; then
      __perijove_restored+=("$__perijove_each")
    else
      __perijove_failed+=",{\"name\":\"$__perijove_each\",\"reason\":\"it could not be set\"}"
    fi
  done
  builtin printf '{"restored":[%s],"failed":[%s]}\n' "$(__perijove_list "${__perijove_restored[@]}")" "${__perijove_failed#,}" >|"$__perijove_found"
  __perijove_forget
}
