# Sourced: gives the Debian mirror that this machine itself installs packages from.

# Prints the URL of the first Debian mirror among apt's sources, in either of the formats apt reads.
debian_mirror() {
  local sources=(/etc/apt/sources.list.d/*.sources) lists=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list) mirror
  mirror=$(awk '$1 == "URIs:" && $2 ~ /\/debian\/?$/ { print $2; exit }' "${sources[@]}" 2>/dev/null)
  if [ -z "$mirror" ]; then
    mirror=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /\/debian\/?$/) { print $i; exit } }' \
      "${lists[@]}" 2>/dev/null)
  fi
  if [ -z "$mirror" ]; then
    echo 'no Debian mirror among the sources of apt (/etc/apt)' >&2
    return 1
  fi
  echo "$mirror"
}
