#!/bin/sh
# What `make` needs from the machine: CP2K, a Python virtual environment, a browser and a cluster for the tests.
#   install.sh cp2k     find CP2K and ps, or install them (Debian packages; conda-forge into .conda where there is no root)
#   install.sh venv     make .venv with $PYTHON, or with a Python in PATH that constraints/ has a file for, or install one,
#                       and a C++ compiler for the packages that have no wheels (Debian packages, or conda-forge)
#   install.sh browser  find Chromium and its driver, or install them (Debian packages)
#   install.sh hpc      find SLURM, an SSH server, PostgreSQL and RabbitMQ, or install them (Debian packages); start none
# Run it in the top folder of the repository. Package sources are those that apt, conda and pip are set up with.
set -eu

say() { printf '%s\n' "$*" >&2; }
fail() { say "Error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

PATH=$PATH:$PWD/.conda/bin
NEWLINE='
'

can_be_root() { [ "$(id -u)" -eq 0 ] || { have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else sudo "$@"; fi
}

can_apt() { have apt-get && can_be_root; }

apt_install() {
  say "Installing with apt-get: $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || say "apt-get update failed; trying with what is known"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

find_conda() {
  for conda in mamba conda micromamba; do
    if have "$conda"; then echo "$conda"; return; fi
  done
  return 1
}

conda_install() {
  conda=$1
  shift
  say "Installing with $conda from conda-forge into .conda: $*"
  if [ -d .conda/conda-meta ]; then action=install; else action=create; fi
  "$conda" "$action" -y -p "$PWD/.conda" -c conda-forge "$@" >&2
}

# Debian's CP2K takes whatever BLAS there is, and the reference one, which comes with it, is several times slower.
has_reference_blas() {
  blas=$(ldd "$(command -v cp2k.psmp)" 2>/dev/null | sed -n 's/.*libblas\.so\.3 => \([^ ]*\).*/\1/p')
  case $(readlink -f "$blas") in */blas/libblas.so.*) ;; *) return 1 ;; esac
}

# AiiDA asks ps which calculations still run; without it all of them would seem to have ended. Containers may lack it.
install_ps() {
  if have ps; then return; fi
  if can_apt && apt_install procps; then
    return
  elif conda=$(find_conda); then
    conda_install "$conda" procps-ng
  else
    fail "the program ps is missing, which AiiDA watches calculations with: have 'apt-get install procps' done."
  fi
}

install_cp2k() {
  install_ps
  if have cp2k.psmp; then
    if has_reference_blas && can_apt; then apt_install libopenblas0-openmp; fi
    return
  fi
  if can_apt && apt_install cp2k openmpi-bin libopenblas0-openmp; then
    :
  elif conda=$(find_conda); then
    conda_install "$conda" 'cp2k=*=*openmpi*'
  else
    fail "CP2K is not installed: that takes apt-get with root (or sudo) and a network, or conda." \
      "Either ask your administrator for 'apt-get install cp2k openmpi-bin libopenblas0-openmp' (Debian, Ubuntu)," \
      "or install conda and run 'conda create -p .conda -c conda-forge \"cp2k=*=*openmpi*\"'; then run make again."
  fi
  have cp2k.psmp || fail "CP2K was installed, but cp2k.psmp is not found in PATH or in .conda/bin."
}

tested_versions() {
  for file in constraints/*.txt; do
    file=${file#constraints/}
    echo "${file%.txt}"
  done
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

is_tested() {
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) &&
    [ -f "constraints/$version.txt" ]
}

# Python in PATH that may be taken, the preferred one first: one that somebody named may be newer than the tested ones.
candidates() {
  if [ -n "${PYTHON-}" ]; then
    if is_recent "$PYTHON"; then echo "$PYTHON"; fi
    return
  fi
  names=
  for version in $(tested_versions); do names="python$version $names"; done
  for python in python3 $names; do
    if is_tested "$python"; then echo "$python"; fi
  done
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

has_headers() {
  header=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null) && [ -f "$header" ]
}

has_compiler() { have "${CXX:-c++}"; }

find_python() (
  has_compiler || return
  found=$(candidates)
  IFS=$NEWLINE
  for python in $found; do
    if has_venv "$python" && has_headers "$python"; then echo "$python"; return; fi
  done
  return 1
)

# Debian's python3 helps where it is the one to be taken, or there is none; another one is installed by who named it.
install_python() {
  if { [ -n "$(candidates)" ] || { [ -z "${PYTHON-}" ] && ! have python3; }; } &&
    can_apt && apt_install python3 python3-venv python3-dev g++; then
    return
  elif [ -z "${PYTHON-}" ] && conda=$(find_conda); then
    conda_install "$conda" python=3.13 gxx
  fi
}

what_is_missing() (
  found=$(candidates)
  IFS=$NEWLINE
  set -- $found
  if [ $# -eq 0 ]; then
    echo "${PYTHON:-python3 in PATH} is $("${PYTHON:-python3}" -V 2>/dev/null || echo missing)"
  elif ! has_venv "$1"; then
    echo "$1 cannot make virtual environments"
  elif ! has_headers "$1"; then
    echo "$1 has no headers"
  else
    echo "there is no compiler"
  fi
)

make_venv() {
  if [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
  find_python >/dev/null || install_python
  python=$(find_python) ||
    fail "needed are Python (one of $(echo $(tested_versions)), with venv and headers) and a C++ compiler, but" \
      "$(what_is_missing); have 'apt-get install python3 python3-venv python3-dev g++' done (Debian 12 or newer," \
      "Ubuntu 24.04 or newer), or install conda, or name another Python: make PYTHON=/path/to/python3"
  say "Making .venv with $python ($("$python" -V))"
  rm -rf .venv
  "$python" -m venv .venv
}

install_browser() {
  if have chromium && have chromedriver; then return; fi
  can_apt || fail "the tests of the report need Chromium and its driver: apt-get install chromium chromium-driver"
  apt_install chromium chromium-driver
}

has_hpc() {
  for server in munged slurmctld slurmd sshd epmd; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$server" >/dev/null || return 1
  done
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

# Debian starts a server when it installs it, unless this script, which it asks, says no.
POLICY=/usr/sbin/policy-rc.d

install_hpc() {
  if has_hpc; then return; fi
  packages="munge slurm-wlm openssh-server postgresql rabbitmq-server"
  can_apt || fail "the tests of tests/hpc need a cluster of their own: apt-get install $packages"
  [ -e "$POLICY" ] || {
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
    trap 'as_root rm -f "$POLICY"' EXIT
  }
  apt_install $packages  # several words
  has_hpc || fail "$packages were installed, but not all of their servers are where Debian and Ubuntu keep them."
}

case ${1-} in
  cp2k) install_cp2k ;;
  venv) make_venv ;;
  browser) install_browser ;;
  hpc) install_hpc ;;
  *) fail "usage: install.sh cp2k|venv|browser|hpc" ;;
esac
