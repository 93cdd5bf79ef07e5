# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# For the shell programs of ./programs: TAP, and requests to the host.

count=0
failed=0

# result CODE NAME [DETAIL]: one test, passed if CODE is 0; else the detail goes first
result()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
	else
		failed=1
		[ -z "${3-}" ] || printf '%s\n' "$3" | sed 's/^/#   /'
		echo "not ok $count $2"
	fi
}

# check NAME CMD ARGS: passes if CMD ends well and complains of nothing; its
# output is in $output
check()
{
	local name=$1 code

	shift
	output=$("$@" 2>&1)
	code=$?
	if grep -qiE 'fail|error|invalid|unsupported|cannot|unknown (mode|format|plane|property)' <<< "$output"; then
		code=1
	fi
	result $code "$name" "$*
$output"
	return $code
}

# finish: the plan, and the exit code that goes with it
finish()
{
	echo "1..$count"
	exit $failed
}

# skip_all REASON
skip_all()
{
	echo "1..0 # SKIP $1"
	exit 4
}

# ask REQUEST: the host's answer, without its 'ok'; see tests/guest/agent.py. The
# port stays open meanwhile: what comes in while nobody has it open is lost.
ask()
{
	local answer port

	exec {port}<> /dev/ttyS1
	echo "$*" >&$port
	read -r -t 30 answer <&$port
	exec {port}>&-
	echo "${answer#ok }"
	[ "${answer%% *}" = ok ]
}

# for_a_while SECONDS CMD ARGS: runs a program that stops when its standard
# input does
for_a_while()
{
	local seconds=$1

	shift
	sleep "$seconds" | "$@"
}

# until_said PATTERN SECONDS CMD ARGS: runs a program that stops when its standard
# input does, until it has said PATTERN, or for so long
until_said()
{
	local pattern=$1 tries=$((5 * $2)) said code

	shift 2
	said=$(mktemp)
	while ! grep -qE "$pattern" "$said" && ((tries-- > 0)); do
		sleep 0.2
	done | "$@" > "$said" 2>&1
	code=$?
	cat "$said"
	rm "$said"
	return $code
}

# endless SECONDS CMD ARGS: runs a program that does not stop by itself, and
# would do so only if something went wrong
endless()
{
	timeout --kill-after=5 "$@"
	[ $? = 124 ]
}

# card: the device's number in /dev/dri and debugfs (other tests may have loaded
# other drivers)
card()
{
	grep -l '^virtio_gpu ' /sys/kernel/debug/dri/[0-9]*/name 2> /dev/null |
		head -n 1 | cut -d / -f 6
}

# connected: the numbers of the connectors that show something
connected()
{
	modetest -M virtio_gpu -c | awk '$3 == "connected" { print $1 }'
}

# start_flips: a client that flips for ten minutes; fails when it does not flip
start_flips()
{
	for_a_while 600 setsid modetest -M virtio_gpu -s "$(connected | head -n 1):#0" -v \
		> /tmp/flips 2>&1 &
	disown -a
	for ((i = 0; i < 300; i++)); do
		! grep -qs freq /tmp/flips || return 0
		sleep 0.2
	done
	return 1
}

# leaks: memory that nothing points to any more (kernels with kmemleak). What is
# younger than 5 s is not told, nor what was not lost in some scans in a row; the
# first scan only takes in what objects contain.
leaks()
{
	local kmemleak=/sys/kernel/debug/kmemleak i
	local scans=$(cat /sys/module/kmemleak/parameters/min_unref_scans)

	sleep 6
	for ((i = 0; i <= scans; i++)); do
		echo scan > $kmemleak || echo "kmemleak does not scan"
	done
	cat $kmemleak
}
