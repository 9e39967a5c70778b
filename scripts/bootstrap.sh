#!/bin/sh
# Installs the Debian packages that building and testing need, and only those that are missing.
#   scripts/bootstrap.sh [build] [rootfs] [tools] [engines] [images] [daemon] [vm] [qemu]      (default: build)
# Idempotent. Without apt, or without root, it says what is missing and exits 1 for "build" and 0 for the rest:
# tests whose tools are missing skip with that reason.
set -u

missing=
want() { # COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

required=0
[ $# -gt 0 ] || set -- build
for group in "$@"; do
	case $group in
	build)
		required=1
		want cc gcc
		want c++ g++
		want make make
		want cmake cmake
		want pkg-config pkg-config
		! command -v apt-get >/dev/null 2>&1 || want musl-gcc musl-tools # without, the executor is larger
		[ -e /usr/include/seccomp.h ] || pkg-config --exists libseccomp 2>/dev/null || missing="$missing libseccomp-dev"
		[ -e /usr/include/zstd.h ] || missing="$missing libzstd-dev"
		;;
	rootfs)
		want busybox busybox-static
		;;
	tools)
		want python3 python3
		want strace strace
		want ip iproute2
		want nft nftables
		want dig bind9-dnsutils
		want newuidmap uidmap
		want criu criu
		want zsh zsh
		want fish fish
		want man man-db
		want groff groff-base
		want zstd zstd
		want xz xz-utils
		want setfattr attr
		want setcap libcap2-bin
		want umoci umoci
		want skopeo skopeo
		want buildah buildah
		;;
	engines)
		want containerd containerd
		want podman podman
		want conmon conmon
		want dockerd docker.io
		want runc runc
		want crun crun
		want iptables iptables
		;;
	images)
		want docker-registry docker-registry
		want skopeo skopeo
		want umoci umoci
		want podman podman
		want buildah buildah
		want openssl openssl
		;;
	daemon)
		want slirp4netns slirp4netns
		want newuidmap uidmap
		want curl curl
		want openssl openssl
		want docker-registry docker-registry
		want docker-compose docker-compose
		[ -e /usr/lib/python3/dist-packages/docker ] || missing="$missing python3-docker"
		;;
	vm)
		want linux.uml user-mode-linux
		want secilc secilc
		want modprobe kmod
		;;
	qemu)
		want qemu-system-x86_64 qemu-system-x86
		[ -e /usr/lib/qemu/virtiofsd ] || [ -e /usr/libexec/virtiofsd ] || ! command -v qemu-system-x86_64 >/dev/null 2>&1 ||
			missing="$missing virtiofsd"
		want mmdebstrap mmdebstrap
		want mke2fs e2fsprogs
		;;
	*)
		echo "bootstrap: unknown group '$group': build, rootfs, tools, engines, images, vm or qemu" >&2
		exit 2
		;;
	esac
done

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "bootstrap: missing here (Debian package names):$missing" >&2
	exit $required
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "bootstrap: missing here; run: sudo apt-get install --no-install-recommends$missing" >&2
	exit $required
fi

export DEBIAN_FRONTEND=noninteractive
# Installing an engine must not start its daemon: tests start their own on sockets of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
echo "bootstrap: apt-get install$missing"
# shellcheck disable=SC2086
if ! apt-get install -y --no-install-recommends $missing >/dev/null 2>&1; then
	apt-get update >/dev/null 2>&1
	apt-get install -y --no-install-recommends $missing >/dev/null || {
		echo "bootstrap: could not install:$missing" >&2
		exit $required
	}
fi
exit 0
