/*
 * netlinkExchange(fd, request, sequence): sends messages of netlink(7) and returns those of the answer, up to and with
 * the NLMSG_ERROR or NLMSG_DONE of this sequence number. What they say is read in TypeScript. Blocks, for as long as
 * the kernel works on it: it answers from within sendmsg.
 */
#include "values.h"

#include <cerrno>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel fills dumps in pieces of at most 32 KiB. */
static constexpr size_t PIECE = 65536;
static constexpr size_t ANSWER_MAX = 64U << 20;

/* True once the last message of the answer is among these. */
static bool is_complete(const uint8_t *bytes, size_t length, uint32_t sequence)
{
	while (length >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *header = reinterpret_cast<const struct nlmsghdr *>(bytes);
		size_t size = NLMSG_ALIGN(header->nlmsg_len);

		if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > length)
			return true; /* damaged: the reader says so */
		if (header->nlmsg_seq == sequence &&
			(header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE))
			return true;
		if (size >= length)
			return false;
		bytes += size;
		length -= size;
	}
	return false;
}

static Napi::Value exchange(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int fd = int_at(info, 0);
	if (!info[1].IsTypedArray())
		return throw_type(env, "netlinkExchange(fd: number, request: Uint8Array, sequence: number)");
	Napi::Uint8Array request = info[1].As<Napi::Uint8Array>();
	uint32_t sequence = u32_at(info, 2);
	std::vector<uint8_t> answer;

	if (send(fd, request.Data(), request.ByteLength(), 0) < 0)
		return throw_errno(env, "send", errno);
	for (;;) {
		size_t begin = answer.size();
		answer.resize(begin + PIECE);
		ssize_t n = recv(fd, answer.data() + begin, PIECE, 0);
		if (n < 0 && errno == EINTR) {
			answer.resize(begin);
			continue;
		}
		if (n < 0)
			return throw_errno(env, "recv", errno);
		answer.resize(begin + static_cast<size_t>(n));
		if (n == 0 || is_complete(answer.data() + begin, static_cast<size_t>(n), sequence))
			break;
		if (answer.size() > ANSWER_MAX)
			return throw_errno(env, "recv", EMSGSIZE);
	}
	return Napi::Buffer<uint8_t>::Copy(env, answer.data(), answer.size());
}

/* openNetlink has made it in its namespace: extended acknowledgements, whole answers of dumps, and never a hang. */
static Napi::Value prepare_netlink(const Napi::CallbackInfo &info)
{
	int fd = int_at(info, 0), on = 1;
	struct timeval patience = { 10, 0 };

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return throw_errno(info.Env(), "setsockopt", errno);
	return info.Env().Undefined();
}

void register_netlink(Napi::Env env, Napi::Object exports)
{
	exports.Set("netlinkExchange", Napi::Function::New(env, exchange, "netlinkExchange"));
	exports.Set("prepareNetlink", Napi::Function::New(env, prepare_netlink, "prepareNetlink"));
}
