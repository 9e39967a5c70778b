/*
 * sendFd(socket, fd, bytes) and receiveFd(socket): one message with one descriptor, SCM_RIGHTS of unix(7). The OCI
 * console socket and supervise speak this. Both block.
 */
#include "values.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* unix(7) wants at least one byte beside the descriptor; an OCI console message holds the terminal's name. */
static constexpr size_t TEXT_MAX = 4096;

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static Napi::Value send_fd(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int fd = int_at(info, 1);
	std::string text = string_at(info, 2);
	union control control = {};
	struct iovec iov = { text.data(), text.size() };
	struct msghdr message = {};
	ssize_t n;

	if (text.empty())
		return throw_type(env, "sendFd: a message needs at least one byte");
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.space;
	message.msg_controllen = sizeof(control.space);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	do {
		n = sendmsg(int_at(info, 0), &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return throw_errno(env, "sendmsg", errno);
	return env.Undefined();
}

/* The descriptor of the message, or -1: there is room for exactly one, the kernel closes any more. */
static int take_fd(const struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
		header->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static Napi::Value receive_fd(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	char text[TEXT_MAX];
	union control control = {};
	struct iovec iov = { text, sizeof(text) };
	struct msghdr message = {};
	ssize_t n;

	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.space;
	message.msg_controllen = sizeof(control.space);
	do {
		n = recvmsg(int_at(info, 0), &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return throw_errno(env, "recvmsg", errno);
	int fd = take_fd(&message);
	Napi::Object received = Napi::Object::New(env);
	received.Set("fd", fd < 0 ? env.Null() : Napi::Number::New(env, fd).As<Napi::Value>());
	received.Set("bytes", Napi::Buffer<char>::Copy(env, text, static_cast<size_t>(n)));
	return received;
}

/* datagramSocket(): AF_UNIX, not bound yet, close-on-exec. */
static Napi::Value datagram_socket(const Napi::CallbackInfo &info)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return throw_errno(info.Env(), "socket", errno);
	return Napi::Number::New(info.Env(), fd);
}

/*
 * sendDatagram(path, text): to a socket that somebody has bound, an absolute path or "@" and an abstract name, as
 * sd_notify(3) has it. Does not wait.
 */
static Napi::Value send_datagram(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = string_at(info, 0), text = string_at(info, 1);
	struct sockaddr_un address = {};
	socklen_t size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + path.size());

	if (path.empty() || path.size() > sizeof(address.sun_path))
		return throw_errno(env, "sendto", path.empty() ? EDESTADDRREQ : ENAMETOOLONG);
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path.data(), path.size());
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return throw_errno(env, "socket", errno);
	ssize_t n = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
		reinterpret_cast<struct sockaddr *>(&address), size);
	int error = errno;
	close(fd);
	return n < 0 ? throw_errno(env, "sendto", error) : env.Undefined();
}

void register_scm_rights(Napi::Env env, Napi::Object exports)
{
	exports.Set("sendFd", Napi::Function::New(env, send_fd, "sendFd"));
	exports.Set("sendDatagram", Napi::Function::New(env, send_datagram, "sendDatagram"));
	exports.Set("datagramSocket", Napi::Function::New(env, datagram_socket, "datagramSocket"));
	exports.Set("receiveFd", Napi::Function::New(env, receive_fd, "receiveFd"));
}
