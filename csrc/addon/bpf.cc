/*
 * bpfLoadDevice(program): BPF_PROG_LOAD of a BPF_PROG_TYPE_CGROUP_DEVICE program; bpfAttachDevice(program, cgroup,
 * flags): BPF_PROG_ATTACH. bpf(2); what a refused program did wrong is the verifier's log in the error's message.
 */
#include "values.h"

#include <cerrno>
#include <cstring>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static uint64_t address(const void *pointer)
{
	return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer));
}

static union bpf_attr load_attributes(const Napi::Uint8Array &program)
{
	union bpf_attr attr = {};

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = address(program.Data());
	attr.insn_cnt = static_cast<uint32_t>(program.ByteLength() / sizeof(struct bpf_insn));
	attr.license = address("GPL");
	return attr;
}

/* The log of a program that passes may not fit, which fails the load: so it is only asked for after a refusal. */
static std::string verifier_log(const Napi::Uint8Array &program)
{
	std::string log(1 << 20, '\0');
	union bpf_attr attr = load_attributes(program);

	attr.log_buf = address(log.data());
	attr.log_size = static_cast<uint32_t>(log.size());
	attr.log_level = 1;
	long fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		close(static_cast<int>(fd));
	return log.c_str();
}

static Napi::Value load_device(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();

	if (!info[0].IsTypedArray())
		return throw_type(env, "bpfLoadDevice(program: Uint8Array)");
	Napi::Uint8Array program = info[0].As<Napi::Uint8Array>();
	union bpf_attr attr = load_attributes(program);
	long fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		int error = errno;
		Napi::Error refused = Napi::Error::New(env, "bpf BPF_PROG_LOAD: " + verifier_log(program));
		refused.Set("errno", Napi::Number::New(env, error));
		refused.Set("syscall", Napi::String::New(env, "bpf"));
		refused.ThrowAsJavaScriptException();
		return env.Undefined();
	}
	return Napi::Number::New(env, static_cast<double>(fd));
}

static Napi::Value attach_device(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	union bpf_attr attr = {};

	attr.attach_bpf_fd = u32_at(info, 0);
	attr.target_fd = u32_at(info, 1);
	attr.attach_flags = u32_at(info, 2);
	attr.attach_type = BPF_CGROUP_DEVICE;
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return throw_errno(env, "bpf", errno);
	return env.Undefined();
}

void register_bpf(Napi::Env env, Napi::Object exports)
{
	exports.Set("bpfLoadDevice", Napi::Function::New(env, load_device, "bpfLoadDevice"));
	exports.Set("bpfAttachDevice", Napi::Function::New(env, attach_device, "bpfAttachDevice"));
}
