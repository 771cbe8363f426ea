#!/bin/busybox sh
# shellcheck shell=dash
#
# The first process of a guest: makes the host's file system the guest's, runs
# /command in it, and tells the host how it went. Lines on the third serial port: "up"
# once this runs, then "status N" or "fail REASON". The command's output goes to the
# second one.

/bin/busybox mkdir -p /proc /sys /dev /host /rw /new
/bin/busybox --install -s /bin
export PATH=/bin

tell() {
	echo "$*" >"$control"
}

finish() {
	sync
	poweroff -f
}

fail() {
	tell "fail $*"
	finish
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
[ -e /dev/ttyS1 ] || mount -t devtmpfs devtmpfs /dev
output=/dev/ttyS1
control=/dev/ttyS2
# Some machines have the first one, the console, under another name.
if grep -q ttyAMA0 /proc/cmdline; then
	output=/dev/ttyS0
	control=/dev/ttyS1
fi
stty -F $output 115200 raw -echo
stty -F $control 115200 raw -echo
tell up

for module in /modules/*; do
	insmod "$module" || fail "the module ${module##*/} does not load"
done

# The host's files, read-only, below a layer of memory that takes the writes.
if grep -qw 9p /proc/filesystems; then
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
else
	mount -t virtiofs -o ro host /host
fi || fail "the host's file system does not mount"
mount -t tmpfs -o mode=755 rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /new ||
	fail "the overlay does not mount"

# What a running system has on top. Not tracefs or debugfs: tests want to see the
# tool without them. Not /tmp: go test puts the test binary there.
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
mount -t devtmpfs devtmpfs /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts
mount -t tmpfs -o mode=1777 shm /new/dev/shm
ln -sf /proc/self/fd /new/dev/fd
ln -sf /proc/self/fd/0 /new/dev/stdin
ln -sf /proc/self/fd/1 /new/dev/stdout
ln -sf /proc/self/fd/2 /new/dev/stderr
mount -t tmpfs -o mode=755 run /new/run
cp /command /new/run/guest-command

hostname guest
ip link set lo up
ulimit -Hn 1048576
ulimit -Sn 65536

# Moved onto /, the new root is not just a chroot to the kernel, which would
# forbid user namespaces there.
cd /new || fail "the new root is not there"
mount --move . /

# With -boot guest.systemd the command is a service of the host's systemd.
if grep -qw guest.systemd /proc/cmdline; then
	units=run/systemd/system
	mkdir -p $units
	# This one would empty /tmp.
	ln -s /dev/null $units/systemd-tmpfiles-setup.service
	cat >$units/guest-command.service <<-END
		[Unit]
		DefaultDependencies=no
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'sh /run/guest-command; exit \$\$?'
		ExecStopPost=/bin/sh /run/guest-end
		StandardInput=null
		StandardOutput=file:$output
		StandardError=inherit
		TimeoutStartSec=infinity
		LimitNOFILE=65536:1048576
	END
	cat >run/guest-end <<-END
		stty -F $output 115200
		echo "status \$EXIT_STATUS" >$control
		systemctl poweroff --force --force
	END
	exec chroot . /lib/systemd/systemd --unit=guest-command.service
fi
chroot . /bin/sh /run/guest-command </dev/null >$output 2>&1
status=$?
# Setting the speed waits until the port has sent everything, also when something
# left behind by the command keeps it open.
stty -F $output 115200
tell "status $status"
finish
