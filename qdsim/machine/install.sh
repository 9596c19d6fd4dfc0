#!/bin/sh
# What `make` needs from the machine: CP2K, a Python virtual environment, a browser and a cluster for the tests.
#   install.sh cp2k     find CP2K, or install it (Debian package; conda-forge into .conda where there is no root)
#   install.sh venv     make .venv with the first Python >= 3.11 in PATH
#   install.sh browser  find Chromium and its driver, or install them (Debian packages)
#   install.sh hpc      find SLURM, an SSH server, PostgreSQL and RabbitMQ, or install them (Debian packages); start none
# Run it in the top folder of the repository. Package sources are those that apt, conda and pip are set up with.
set -eu

say() { printf '%s\n' "$*" >&2; }
fail() { say "Error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

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

has_cp2k() { have cp2k.psmp || [ -x .conda/bin/cp2k.psmp ]; }

# Debian's CP2K takes whatever BLAS there is, and the reference one, which comes with it, is several times slower.
has_reference_blas() {
  blas=$(ldd "$(command -v cp2k.psmp)" 2>/dev/null | sed -n 's/.*libblas\.so\.3 => \([^ ]*\).*/\1/p')
  case $(readlink -f "$blas") in */blas/libblas.so.*) ;; *) return 1 ;; esac
}

install_cp2k() {
  if has_cp2k; then
    if has_reference_blas && can_apt; then apt_install libopenblas0-openmp; fi
    return
  fi
  if can_apt; then
    apt_install cp2k openmpi-bin libopenblas0-openmp
  elif conda=$(find_conda); then
    say "Installing CP2K from conda-forge into .conda"
    "$conda" create -y -p "$PWD/.conda" -c conda-forge 'cp2k=*=*openmpi*' >&2
  else
    fail "CP2K is not installed, and cannot be installed here without root (or sudo) or conda." \
      "Either ask your administrator for 'apt-get install cp2k openmpi-bin libopenblas0-openmp' (Debian, Ubuntu)," \
      "or install conda and run 'conda create -p .conda -c conda-forge \"cp2k=*=*openmpi*\"'; then run make again."
  fi
  has_cp2k || fail "CP2K was installed, but cp2k.psmp is not found in PATH or in .conda/bin."
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
  for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if have "$python" && is_recent "$python"; then command -v "$python"; return; fi
  done
  fail "Python 3.11 or newer is needed, and the python3 in PATH is $(python3 -V 2>/dev/null || echo missing)." \
    "Install one ('apt-get install python3 python3-venv' on Debian 12 or newer, or 'conda install python=3.12')" \
    "or name one: make PYTHON=/path/to/python3"
}

make_venv() {
  if [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
  python=$(find_python)
  if ! has_venv "$python" && can_apt; then apt_install python3-venv; fi
  has_venv "$python" ||
    fail "$python cannot make virtual environments; have python3-venv installed ('apt-get install python3-venv')," \
      "or name another Python: make PYTHON=/path/to/python3"
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
