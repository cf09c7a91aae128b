/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/block/io.h"
#include "p2v/block/pump.h"
#include "p2v/core/num.h"

/* O_DIRECT wants memory, offset and length on sector borders; 4096 is enough for every device. */
#define MEMORY_ALIGN 4096u
#define BOUNCE_BYTES ((size_t)256 << 10)

struct file_io {
	struct block_io io;
	int fd;
	uint32_t align; /* 1, or the sector where the descriptor is O_DIRECT */
	/* One unaligned write at a time: it reads a sector, changes part of it and writes it. */
	pthread_mutex_t merge_lock;
};

static struct file_io *file_of(struct block_io *io)
{
	return (struct file_io *)io;
}

static int read_all(int fd, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)buf + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return p2v_err_errno(err, errno, "read at %" PRIu64, offset + done);
		if (got == 0)
			return p2v_err_set(err, P2V_EIO,
				"read at %" PRIu64 ": it ends there: it became shorter",
				offset + done);
		done += (size_t)got;
	}
	return 0;
}

static int write_all(int fd, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t put =
			pwrite(fd, (const char *)buf + done, n - done, (off_t)(offset + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return p2v_err_errno(
				err, put ? errno : EIO, "write at %" PRIu64, offset + done);
		done += (size_t)put;
	}
	return 0;
}

static bool is_aligned(const struct file_io *f, uint64_t offset, const void *buf, size_t n)
{
	if (f->align == 1)
		return true;
	return (offset | n) % f->align == 0 && (uintptr_t)buf % MEMORY_ALIGN == 0;
}

/* A step of a transfer by way of the bounce buffer: the whole sectors [start, start + n) around the
 * next bytes [at, at + part). */
struct bounce_step {
	uint64_t start;
	size_t n, skip, part;
};

static struct bounce_step bounce_next(const struct file_io *f, uint64_t at, uint64_t end)
{
	struct bounce_step s = {.start = p2v_align_down(at, f->align)};
	uint64_t stop = p2v_min_u64(p2v_align_up(end, f->align), s.start + BOUNCE_BYTES);

	s.n = (size_t)(stop - s.start);
	s.skip = (size_t)(at - s.start);
	s.part = (size_t)(p2v_min_u64(stop, end) - at);
	return s;
}

static int file_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	struct file_io *f = file_of(io);
	p2v_autofree uint8_t *bounce = NULL;
	struct bounce_step s;

	if (is_aligned(f, offset, buf, n))
		return read_all(f->fd, offset, buf, n, err);
	bounce = block_buffer_new(BOUNCE_BYTES);
	if (!bounce)
		return p2v_err_set(err, P2V_ENOMEM, "no memory to read");
	for (size_t done = 0; done < n; done += s.part) {
		int r;

		s = bounce_next(f, offset + done, offset + n);
		r = read_all(f->fd, s.start, bounce, s.n, err);
		if (r < 0)
			return r;
		memcpy((uint8_t *)buf + done, bounce + s.skip, s.part);
	}
	return 0;
}

static int write_bounced(struct file_io *f, uint64_t offset, const void *buf, size_t n,
	uint8_t *bounce, struct p2v_err *err)
{
	struct bounce_step s;

	for (size_t done = 0; done < n; done += s.part) {
		int r = 0;

		s = bounce_next(f, offset + done, offset + n);
		if (s.part != s.n)
			r = read_all(f->fd, s.start, bounce, s.n, err);
		if (r < 0)
			return r;
		memcpy(bounce + s.skip, (const uint8_t *)buf + done, s.part);
		r = write_all(f->fd, s.start, bounce, s.n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int file_pwrite(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	struct file_io *f = file_of(io);
	p2v_autofree uint8_t *bounce = NULL;
	int r;

	if (is_aligned(f, offset, buf, n))
		return write_all(f->fd, offset, buf, n, err);
	bounce = block_buffer_new(BOUNCE_BYTES);
	if (!bounce)
		return p2v_err_set(err, P2V_ENOMEM, "no memory to write");
	pthread_mutex_lock(&f->merge_lock);
	r = write_bounced(f, offset, buf, n, bounce, err);
	pthread_mutex_unlock(&f->merge_lock);
	return r;
}

/* Both ways may be missing (file system, driver): then zeros are written. */
static int file_write_zeroes(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	struct file_io *f = file_of(io);
	uint64_t range[2] = {offset, n};
	int r;

	if (f->align == 1)
		r = fallocate(
			f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n);
	else if ((offset | n) % f->align == 0)
		r = ioctl(f->fd, BLKZEROOUT, range);
	else
		return P2V_EUNSUPPORTED;
	if (r == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
		return P2V_EUNSUPPORTED;
	return p2v_err_errno(err, errno, "write of zeros at %" PRIu64, offset);
}

static int file_flush(struct block_io *io, struct p2v_err *err)
{
	return fdatasync(file_of(io)->fd) == 0 ? 0 : p2v_err_errno(err, errno, "flush");
}

/* Holes of a sparse file. lseek moves only a position that nothing here uses. */
static int file_extent(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
	struct p2v_err *err)
{
	struct file_io *f = file_of(io);
	uint64_t end = offset + limit;
	bool hole;
	off_t data, edge;

	data = lseek(f->fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno != ENXIO && errno != EINVAL)
		return p2v_err_errno(err, errno, "seek at %" PRIu64, offset);
	/* ENXIO: no data to the end. EINVAL: the file system knows no holes. */
	hole = data < 0 ? errno == ENXIO : (uint64_t)data > offset;
	if (hole)
		edge = data < 0 ? (off_t)end : data;
	else
		edge = lseek(f->fd, (off_t)offset, SEEK_HOLE);
	if (edge > (off_t)offset)
		end = p2v_min_u64(end, (uint64_t)edge);
	*ret = (struct extent){offset, end - offset, hole ? EXTENT_ZERO : EXTENT_USED};
	return 0;
}

static void file_close(struct block_io *io)
{
	struct file_io *f = file_of(io);

	close(f->fd);
	pthread_mutex_destroy(&f->merge_lock);
	free(f);
}

static const struct block_io_ops file_ops = {
	.pread = file_pread,
	.pwrite = file_pwrite,
	.write_zeroes = file_write_zeroes,
	.flush = file_flush,
	.extent = file_extent,
	.close = file_close,
};

/* A block device says nothing about what reads as zero. */
static const struct block_io_ops device_ops = {
	.pread = file_pread,
	.pwrite = file_pwrite,
	.write_zeroes = file_write_zeroes,
	.flush = file_flush,
	.close = file_close,
};

static const char *type_words(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *words;
	} rows[] = {
		{S_IFDIR, "a directory"},
		{S_IFCHR, "a character device"},
		{S_IFIFO, "a pipe"},
		{S_IFSOCK, "a socket"},
	};

	for (size_t i = 0; i < P2V_N(rows); i++)
		if ((mode & S_IFMT) == rows[i].type)
			return rows[i].words;
	return "something unknown";
}

static int not_a_disk(const char *path, const char *what, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED, "%s: is not a disk: it is %s", path, what);
}

static int open_failed(const char *path, int errnum, struct p2v_err *err)
{
	if (errnum == EBUSY)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: is in use (mounted, or part of an array): will not write to it", path);
	return p2v_err_errno(err, errnum, "%s", path);
}

/* The type is asked before opening: to open a tape or a pipe would already do something to it. */
static int open_disk(const char *path, bool writable, bool *ret_device, struct p2v_err *err)
{
	int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat before, st;
	p2v_autoclose int fd = -1;

	if (stat(path, &before) < 0)
		return open_failed(path, errno, err);
	if (!S_ISREG(before.st_mode) && !S_ISBLK(before.st_mode))
		return not_a_disk(path, type_words(before.st_mode), err);
	/* O_EXCL on a block device: nobody else has it (mounts, arrays, volume groups). */
	if (S_ISBLK(before.st_mode))
		flags |= O_DIRECT | (writable ? O_EXCL : 0);
	fd = open(path, flags);
	if (fd < 0)
		return open_failed(path, errno, err);
	if (fstat(fd, &st) < 0)
		return open_failed(path, errno, err);
	if ((st.st_mode & S_IFMT) != (before.st_mode & S_IFMT))
		return not_a_disk(path, "something that changes while it is opened", err);
	*ret_device = S_ISBLK(st.st_mode);
	return p2v_steal_fd(&fd);
}

static int disk_measure(int fd, bool device, uint64_t *ret_size, uint32_t *ret_sector)
{
	struct stat st;
	uint64_t size = 0;
	int sector = 512;

	if (!device && fstat(fd, &st) == 0)
		size = (uint64_t)st.st_size;
	else if (ioctl(fd, BLKGETSIZE64, &size) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
		return -1;
	*ret_size = size;
	*ret_sector = (uint32_t)sector;
	return 0;
}

int block_io_file_open(const char *path, bool writable, struct block_io **ret, struct p2v_err *err)
{
	p2v_autofree struct file_io *f = calloc(1, sizeof(*f));
	p2v_autoclose int fd = -1;
	uint64_t size;
	uint32_t sector;
	bool device;
	int r;

	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", path);
	fd = open_disk(path, writable, &device, err);
	if (fd < 0)
		return fd;
	if (disk_measure(fd, device, &size, &sector) < 0)
		return p2v_err_errno(err, errno, "%s: cannot tell its size", path);
	if (size == 0)
		return not_a_disk(path, device ? "a drive without a medium" : "empty", err);
	r = block_io_setup(
		&f->io, device ? &device_ops : &file_ops, path, size, sector, writable, err);
	if (r < 0)
		return r;
	f->fd = p2v_steal_fd(&fd);
	f->align = device ? sector : 1;
	pthread_mutex_init(&f->merge_lock, NULL);
	*ret = &p2v_steal(f)->io;
	return 0;
}
