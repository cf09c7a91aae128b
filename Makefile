# SPDX-License-Identifier: GPL-3.0-or-later
# The two commands are `make demo` and `make check`; both install what is missing (Debian 12 packages),
# build with meson, and need root or sudo for that and for building test servers.

BUILD ?= build
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What the programs are built with and run on, and what the tests build servers with.
PACKAGES := gcc libc6-dev meson ninja-build pkg-config \
	libjansson-dev libblkid-dev libarchive-dev libssh2-1-dev libcurl4-openssl-dev libnewt-dev libguestfs-dev \
	libhivex-dev libnbd-dev libzstd-dev liblzma-dev libxxhash-dev libcmocka-dev libext2fs-dev ntfs-3g-dev \
	libsqlite3-dev libpq-dev postgresql libyaml-dev libmicrohttpd-dev libgnutls28-dev libseccomp-dev libssl-dev libexpat1-dev \
	python3-hivex python3-libregf tesseract-ocr \
	libguestfs0 libguestfs-xfs linux-image-amd64 qemu-system-x86 qemu-utils ovmf ovmf-ia32 kmod \
	openssh-server openssh-client curl openssl zstd lz4 diffutils \
	mmdebstrap arch-test e2fsprogs xfsprogs btrfs-progs dosfstools mtools fusefat xorriso exfatprogs exfat-fuse ntfs-3g lvm2 mdadm \
	thin-provisioning-tools cryptsetup-bin guestfish \
	util-linux procps iproute2 iputils-ping busybox ethtool passwd fdisk cpio gcab grub-pc-bin grub2-common pxelinux syslinux-common initramfs-tools-core \
	dpkg-dev chromium fonts-dejavu-core python3 python3-jsonschema python3-yaml clang-format binutils man-db libxml2-utils expect tmux

.PHONY: all deps setup check check-fast check-asan servers matrix soak demo bench media-programs static-agents deb install clean

all: setup
	ninja -C $(BUILD)

deps:
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing:$$missing"; \
		$(SUDO) apt-get update -q && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -q -y --no-install-recommends $$missing; \
	fi

setup: deps
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD)

# Every suite that this machine can run; a skip says why. The fast suites run a second time under
# AddressSanitizer and UBSan.
check: all check-asan
	$(SUDO) tests/run $(BUILD)

# Servers of many kinds, each on its own hardware, and converted: some hours without KVM, fewer where P2V_IMAGE_CACHE has
# their disks.
servers: all
	$(SUDO) tests/run $(BUILD) --servers

# These, their disks untouched on virtio, and all else that is too slow for every day: the medium on machines and firmware of many kinds, Windows disks,
# Ceph, the package.
matrix: PACKAGES += virt-v2v ceph-mon ceph-osd ceph-common qemu-block-extra
matrix: all
	$(SUDO) tests/run $(BUILD) --matrix

# Faults and kills of a transfer, hundreds of each: some minutes.
soak: all
	$(SUDO) tests/run $(BUILD) --soak

check-fast: all check-asan
	tests/run $(BUILD) --fast

check-asan: setup
	@[ -f $(BUILD)-asan/build.ninja ] || meson setup $(BUILD)-asan -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C $(BUILD)-asan
	tests/run $(BUILD)-asan --fast

# Migrates a real server end to end and shows the proof.
demo: all
	$(SUDO) tests/e2e/demo.py --build $(BUILD)

# Imaging, second pass and conversion beside their peers, and memory, in one run; BENCH="--size 2G --only imaging".
bench: PACKAGES += partclone nbdkit libnbd-bin rsync virt-v2v python3-xxhash iproute2
bench: all
	$(SUDO) tests/bench/run.py --build $(BUILD) $(BENCH)

# What a boot medium for 32-bit machines holds ('p2v media build --arch i386').
media-programs: deps
	agent/media/build-programs i386 $(BUILD)/agent/media-i386

# The agent as one file that needs no library, for a first pass on a server that runs, whatever Linux that is.
static-agents: deps
	agent/media/build-programs --static amd64 $(BUILD)/agent/static-amd64
	agent/media/build-programs --static i386 $(BUILD)/agent/static-i386

# The Debian package: what `make install` and `p2v server init` do, and a purge that takes it away again.
deb: deps
	@[ -f $(BUILD)-deb/build.ninja ] || meson setup $(BUILD)-deb --prefix=/usr --sysconfdir=/etc -Dtests=false
	ninja -C $(BUILD)-deb
	packaging/make-deb.py $(BUILD)-deb $(BUILD)-deb/packages

install: all
	$(SUDO) meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(BUILD)-asan
