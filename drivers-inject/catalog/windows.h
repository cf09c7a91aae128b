/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_WINDOWS_H
#define DRIVERS_INJECT_CATALOG_WINDOWS_H

/*
 * What a virtio-win medium offers: an ISO, or a directory with the same things in it. Layouts
 * (packaging of virtio-win, README and installed trees):
 *
 *	NetKVM/2k12R2/amd64/netkvm.inf         the ISO; the RPM's drivers/by-driver/
 *	amd64/2k12R2/viostor.inf               the ISO's tree for setup; drivers/by-os/
 *	drivers/i386/Win7/viostor.inf          the floppies' (.vfd) tree, RHEV's
 *
 * The .inf says what a driver is and for which Windows. Where it does not say a version, the names
 * of its directories do. Everything on the medium is foreign: sizes and counts are bounded, a path
 * that comes out is one that the medium lists.
 *
 *	catalog_media_open -> rows (plain data) -> catalog_choose (pure) -> picks
 *	                                                                   -> catalog_media_read
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define CATALOG_MAX_INF_BYTES  ((size_t)1 << 20)
#define CATALOG_MAX_FILE_BYTES ((size_t)64 << 20)  /* a driver's file */
#define CATALOG_MAX_TOOL_BYTES ((size_t)256 << 20) /* an installer */
#define CATALOG_MAX_MEMBERS    ((size_t)65536)
#define CATALOG_MAX_DRIVERS    ((size_t)4096)

enum catalog_arch { CATALOG_X86, CATALOG_AMD64, CATALOG_ARM64, CATALOG_ARCHES };
/* "x86", "amd64", "arm64": as in a package key's name. */
extern const char *const catalog_arch_words[];

/* How the driver's binary is signed, as far as its own bytes say. */
enum catalog_signing {
	CATALOG_UNSIGNED,
	CATALOG_SELF_ISSUED, /* by a certificate that vouches for itself: loads in test mode only */
	CATALOG_SHA1,	     /* a chain, SHA-1: what Vista to 7 know without updates */
	CATALOG_SHA2,	     /* a chain, SHA-256: 7 and 2008 R2 want KB3033929 or KB4474419 */
};
extern const char *const catalog_signing_words[];

/* nt[arch].[major].[minor].[product].[suite].[build], from an .inf or a directory's name. */
struct catalog_os {
	int arch;	       /* enum catalog_arch, or -1: not said */
	uint32_t major, minor; /* 0.0: not said */
	uint32_t build;	       /* 0: not said; else that one or later */
	uint32_t product;      /* 0: not said; 1: client; 2, 3: server */
};

struct catalog_service {
	char *name; /* viostor */
	uint32_t type, start, error_control;
	char *group;   /* "SCSI miniport"; empty: none */
	char *binary;  /* under %SystemRoot%: "system32\drivers\viostor.sys" */
	char *display; /* may be empty */
	bool function; /* the device's own driver (flag 2 of AddService) */
};

/* A file that the driver wants copied. */
struct catalog_file {
	char *name;   /* viostor.sys */
	char *target; /* under %SystemRoot%: "system32\drivers\viostor.sys"; empty: stays in the
			 driver store */
	char *path;   /* on the medium; NULL: not there */
	uint64_t size_bytes;
};

struct catalog_device {
	char *description;
	char *section; /* of the .inf: scsi_inst */
	char *service; /* its function driver; empty: none */
	char **ids;    /* "PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00", upper case, in the .inf's
			  order: hardware id, compatible ids */
	size_t n_ids;
};

/* One Models section of the .inf with what its devices install. */
struct catalog_variant {
	char *decoration; /* NTamd64.10.0...16299; may be empty */
	struct catalog_os os;
	struct catalog_device *devices;
	size_t n_devices;
	struct catalog_service *services;
	size_t n_services;
	struct catalog_file *files;
	size_t n_files;
};

/* Who has signed a driver's package, by what the certificate says. */
struct catalog_publisher {
	char name[64];	 /* of the organization, or whoever it is; plain ASCII */
	char serial[48]; /* of the certificate, hexadecimal, without leading zeros */
};

/* One .inf. */
struct catalog_driver {
	char *name; /* of the .inf without its end, lower case: viostor, netkvm, vioser */
	char *inf;  /* its path on the medium; all files of the package are in its directory */
	char *class_name, *class_guid; /* SCSIAdapter, {4D36E97B-...} (upper case) */
	char *provider;
	char *catalog;			    /* path on the medium of the .cat; NULL: none there */
	struct catalog_publisher publisher; /* of that; empty: nobody, or it cannot be read */
	uint32_t date[3];		    /* DriverVer: year, month, day; zeros: not said */
	uint16_t version[4];
	struct catalog_os dir; /* what its directories' names say */
	int signing;	       /* enum catalog_signing: of its function driver's .sys */
	int machine;	       /* that .sys is for: enum catalog_arch, -1: no .sys, or no PE file */
	struct catalog_variant *variants;
	size_t n_variants;
	char **package; /* paths of all files that belong: .inf, .cat, .sys, .dll, .exe; no .pdb */
	size_t n_package;
};

struct catalog_media {
	char *path;  /* as named by the user */
	char *label; /* volume label of an ISO, "virtio-win-0.1.285"; else empty */
	struct catalog_driver *drivers; /* sorted by the .inf's path */
	size_t n_drivers;
	char *guest_agent[CATALOG_ARCHES]; /* path of qemu-ga's .msi, or NULL */
	char **notes;			   /* .inf files that could not be used, and why */
	size_t n_notes;
	struct catalog_source *source; /* inside the room */
};

/*
 * P2V_ENOTFOUND  no such file or directory
 * P2V_EFORMAT    neither a directory nor an ISO 9660 file system; bounds exceeded
 * P2V_EREFUSED   there are no drivers on it
 * A single .inf that is spoiled is a note, no error.
 */
int catalog_media_open(const char *path, struct catalog_media **ret, struct p2v_err *err);
void catalog_media_free(struct catalog_media *m);

/* Appends the whole of one file, by a path that the rows hold. */
int catalog_media_read(const struct catalog_media *m, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err);

/* Appends the certificate of whoever has signed that .cat, in DER. */
int catalog_certificate_read(
	const struct catalog_media *m, const char *path, struct p2v_buf *ret, struct p2v_err *err);

/* The Windows to choose for. */
struct catalog_guest {
	int arch;		      /* enum catalog_arch */
	uint32_t major, minor, build; /* 6.1.7601, 10.0.17763 */
	bool server;
	bool test_signing; /* its BCD says testsigning */
};

/* Why a driver is of no use for this guest, though it is the best there is. */
enum catalog_doubt {
	CATALOG_FITS,
	CATALOG_WANTS_SHA2_UPDATE, /* use it, but say so: SHA-2 on Vista to 2008 R2 */
	CATALOG_WANTS_ROOT,	   /* use it, but say so: self-issued, on 32 bits or in test mode */
	CATALOG_WANTS_TEST_MODE,   /* do not use: self-issued, and 64-bit Windows checks */
	CATALOG_NOT_SIGNED,	   /* do not use: unsigned, and 64-bit Windows checks */
	CATALOG_FILE_MISSING,	   /* do not use: the .sys is not on the medium */
	CATALOG_OTHER_MACHINE,	   /* do not use: the .sys is for another processor */
};

struct catalog_pick {
	const struct catalog_driver *driver;
	const struct catalog_variant *variant;
	const struct catalog_service *service; /* the first device's function driver; may be NULL */
	const struct catalog_file *binary;     /* that service's .sys; may be NULL */
	bool by_directory;		       /* the .inf does not say a version, its place does */
	int doubt;			       /* enum catalog_doubt */
};

/* True where the pick can be used: fits, or only wants an update. */
bool catalog_pick_usable(const struct catalog_pick *p);
/* Appends a sentence: which driver, from where, and the doubt. */
void catalog_pick_describe(
	const struct catalog_pick *p, const struct catalog_guest *guest, struct p2v_buf *out);

/*
 * The best .inf of that name (viostor, vioscsi, netkvm, balloon, vioser, viorng, pvpanic, fwcfg,
 * ...) for the guest. Pure. P2V_ENOTFOUND, with a sentence: none is for this Windows. Where one is
 * found but is of no use, that is the pick's doubt.
 *
 * Of those whose sections fit: the closest version; then the place that names the guest; then a
 * usable one; then the newest DriverVer. A driver for a later Windows never fits.
 */
int catalog_choose(const struct catalog_media *m, const char *name,
	const struct catalog_guest *guest, struct catalog_pick *ret, struct p2v_err *err);

/* Each name of the medium once, sorted; a NULL-terminated array of the rows' strings, malloc'd;
 * NULL only for want of memory. */
const char **catalog_names(const struct catalog_media *m);

#endif
