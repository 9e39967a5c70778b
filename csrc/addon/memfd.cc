/*
 * memfd(name, bytes): a sealed memfd that holds bytes, memfd_create(2). The reader maps exactly what was written:
 * the seals forbid any later change of content or size. memfd(name): an empty one, for the other side to write into.
 */
#include "values.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* With vm.memfd_noexec=2 only MFD_NOEXEC_SEAL is allowed; before Linux 6.3 the flag is EINVAL. */
static int create(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

/* pwrite, so that the offset stays 0 for readers that read instead of mapping. */
static int write_all(int fd, const uint8_t *bytes, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pwrite(fd, bytes + done, length - done, static_cast<off_t>(done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += static_cast<size_t>(n);
	}
	return 0;
}

static Napi::Value fail(Napi::Env env, const char *syscall, int fd)
{
	int error = errno;

	close(fd);
	return throw_errno(env, syscall, error);
}

static Napi::Value memfd(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	bool empty = info[1].IsUndefined();
	if (!empty && !info[1].IsTypedArray())
		return throw_type(env, "memfd(name: string, bytes?: Uint8Array)");
	std::string name = string_at(info, 0);

	int fd = create(name.c_str());
	if (fd < 0)
		return throw_errno(env, "memfd_create", errno);
	if (empty)
		return Napi::Number::New(env, fd);
	Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
	if (write_all(fd, bytes.Data(), bytes.ByteLength()) < 0)
		return fail(env, "pwrite", fd);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return fail(env, "fcntl", fd);
	return Napi::Number::New(env, fd);
}

void register_memfd(Napi::Env env, Napi::Object exports)
{
	exports.Set("memfd", Napi::Function::New(env, memfd, "memfd"));
}
