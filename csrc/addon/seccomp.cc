/*
 * seccompCompile(request) and seccompVersion(): libseccomp as a function from rules to BPF bytes, seccomp_init(3),
 * seccomp_rule_add(3), seccomp_export_bpf(3). Nothing is loaded into this process. The shapes of the request and of
 * the answer are SeccompRequest, SeccompPrograms and SeccompRefusal of src/compile/services.ts.
 */
#include "values.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using context = std::unique_ptr<void, decltype(&seccomp_release)>;

struct rule {
	int number;
	uint32_t action;
	std::vector<struct scmp_arg_cmp> conditions;
};

struct failure {
	const char *at;
	uint32_t index;
	int ret;
};

static Napi::Value refusal(Napi::Env env, const struct failure &failure)
{
	Napi::Object answer = Napi::Object::New(env);

	answer.Set("ok", Napi::Boolean::New(env, false));
	answer.Set("at", Napi::String::New(env, failure.at));
	answer.Set("index", Napi::Number::New(env, failure.index));
	answer.Set("errno", Napi::Number::New(env, -failure.ret));
	return answer;
}

static uint64_t to_u64(const Napi::Value &value)
{
	bool lossless;

	return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

static std::vector<struct scmp_arg_cmp> to_conditions(const Napi::Array &array)
{
	std::vector<struct scmp_arg_cmp> conditions;

	for (uint32_t i = 0; i < array.Length(); i++) {
		Napi::Object from = array.Get(i).As<Napi::Object>();
		struct scmp_arg_cmp to = {};
		to.arg = from.Get("index").ToNumber().Uint32Value();
		to.op = static_cast<enum scmp_compare>(from.Get("op").ToNumber().Int32Value());
		to.datum_a = to_u64(from.Get("one"));
		to.datum_b = to_u64(from.Get("two"));
		conditions.push_back(to);
	}
	return conditions;
}

static std::vector<struct rule> to_rules(const Napi::Array &array)
{
	std::vector<struct rule> rules;

	rules.reserve(array.Length());
	for (uint32_t i = 0; i < array.Length(); i++) {
		Napi::Object from = array.Get(i).As<Napi::Object>();
		std::string name = from.Get("name").ToString().Utf8Value();
		rules.push_back(
			{ seccomp_syscall_resolve_name(name.c_str()), from.Get("action").ToNumber().Uint32Value(),
				to_conditions(from.Get("conditions").As<Napi::Array>()) });
	}
	return rules;
}

/* libseccomp 2.5 exports to a descriptor only. */
static int export_filter(scmp_filter_ctx ctx, std::vector<uint8_t> *ret_bytes)
{
	struct stat st;
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int ret = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (ret == 0 && fstat(fd, &st) < 0)
		ret = -errno;
	if (ret == 0) {
		ret_bytes->resize(static_cast<size_t>(st.st_size));
		if (pread(fd, ret_bytes->data(), ret_bytes->size(), 0) != st.st_size)
			ret = -EIO;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* A filter for this architecture alone; no_new_privs is an op of its own. */
static int set_up(scmp_filter_ctx ctx, uint32_t architecture, bool binary_tree)
{
	int ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);

	if (ret == 0 && binary_tree)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ret == 0 && architecture != seccomp_arch_native()) {
		ret = seccomp_arch_add(ctx, architecture);
		if (ret == 0)
			ret = seccomp_arch_remove(ctx, seccomp_arch_native());
	}
	return ret;
}

/* The filter of one architecture. A rule whose name libseccomp does not know is left out: unknown_names() tells. */
static bool build(const Napi::Object &request, const std::vector<struct rule> &rules, uint32_t architecture,
	uint32_t index, std::vector<uint8_t> *ret_bytes, struct failure *reterr)
{
	context ctx(seccomp_init(request.Get("defaultAction").ToNumber().Uint32Value()), seccomp_release);

	*reterr = { "init", 0, -EINVAL };
	if (!ctx)
		return false;
	int set = set_up(ctx.get(), architecture, request.Get("binaryTree").ToBoolean().Value());
	*reterr = { "architecture", index, set };
	if (reterr->ret < 0)
		return false;
	for (uint32_t i = 0; i < rules.size(); i++) {
		const struct rule &r = rules[i];
		if (r.number == __NR_SCMP_ERROR)
			continue;
		int ret = seccomp_rule_add_array(ctx.get(), r.action, r.number,
			static_cast<unsigned int>(r.conditions.size()), r.conditions.data());
		*reterr = { "rule", i, ret };
		if (ret < 0)
			return false;
	}
	*reterr = { "export", 0, export_filter(ctx.get(), ret_bytes) };
	return reterr->ret == 0;
}

static Napi::Array unknown_names(Napi::Env env, const std::vector<std::string> &names)
{
	Napi::Array unknown = Napi::Array::New(env);

	for (const std::string &name : names)
		if (seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR)
			unknown.Set(unknown.Length(), Napi::String::New(env, name));
	return unknown;
}

/* ARM's private calls (set_tls and others) begin here, far above the line of common numbers. */
static constexpr int ARM_PRIVATE = 0x0f0000;

/* Pseudo numbers of names that the architecture does not have are negative. */
static int highest_number(uint32_t architecture, const std::vector<std::string> &names)
{
	int highest = -1;

	for (const std::string &name : names) {
		int number = seccomp_syscall_resolve_name_arch(architecture, name.c_str());
		bool is_private = architecture == SCMP_ARCH_ARM && number >= ARM_PRIVATE;
		if (number > highest && !is_private)
			highest = number;
	}
	return highest;
}

/* libseccomp's time grows with the square of all rules of all architectures: one filter each is several times faster.
 */
static Napi::Value compile(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Object request = info[0].As<Napi::Object>();
	std::vector<std::string> names = to_strings(request.Get("names").As<Napi::Array>());
	std::vector<struct rule> rules = to_rules(request.Get("rules").As<Napi::Array>());
	Napi::Array wanted = request.Get("architectures").As<Napi::Array>();
	Napi::Array programs = Napi::Array::New(env);
	std::vector<uint32_t> done;

	for (uint32_t i = 0; i < wanted.Length(); i++) {
		uint32_t architecture = wanted.Get(i).ToNumber().Uint32Value();
		std::vector<uint8_t> bytes;
		struct failure failure;
		if (architecture == SCMP_ARCH_NATIVE)
			architecture = seccomp_arch_native();
		if (std::find(done.begin(), done.end(), architecture) != done.end())
			continue;
		if (!build(request, rules, architecture, i, &bytes, &failure))
			return refusal(env, failure);
		Napi::Object program = Napi::Object::New(env);
		program.Set("architecture", Napi::Number::New(env, architecture));
		program.Set("filter", Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size()));
		program.Set("highest", Napi::Number::New(env, highest_number(architecture, names)));
		programs.Set(programs.Length(), program);
		done.push_back(architecture);
	}
	Napi::Object answer = Napi::Object::New(env);
	answer.Set("ok", Napi::Boolean::New(env, true));
	answer.Set("programs", programs);
	answer.Set("unknown", unknown_names(env, names));
	return answer;
}

static Napi::Value version(const Napi::CallbackInfo &info)
{
	const struct scmp_version *v = seccomp_version();
	std::string text = std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->micro);

	return Napi::String::New(info.Env(), text);
}

void register_seccomp(Napi::Env env, Napi::Object exports)
{
	exports.Set("seccompCompile", Napi::Function::New(env, compile, "seccompCompile"));
	exports.Set("seccompVersion", Napi::Function::New(env, version, "seccompVersion"));
}
