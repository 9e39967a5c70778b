/*
 * seccompCompile(request) and seccompVersion(): libseccomp as a function from rules to BPF bytes, seccomp_init(3),
 * seccomp_rule_add(3), seccomp_export_bpf(3). Nothing is loaded into this process. The shapes of the request and of
 * the answer are SeccompRequest, SeccompFilter and SeccompRefusal of src/compile/services.ts.
 */
#include "values.h"

#include <cerrno>
#include <memory>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using context = std::unique_ptr<void, decltype(&seccomp_release)>;

static Napi::Value refusal(Napi::Env env, const char *at, uint32_t index, int ret)
{
	Napi::Object answer = Napi::Object::New(env);

	answer.Set("ok", Napi::Boolean::New(env, false));
	answer.Set("at", Napi::String::New(env, at));
	answer.Set("index", Napi::Number::New(env, index));
	answer.Set("errno", Napi::Number::New(env, -ret));
	return answer;
}

static uint64_t bigint(const Napi::Value &value)
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
		to.datum_a = bigint(from.Get("one"));
		to.datum_b = bigint(from.Get("two"));
		conditions.push_back(to);
	}
	return conditions;
}

/* A name that libseccomp does not know is left out here and reported by unknown_names(). */
static int add_rule(scmp_filter_ctx ctx, const Napi::Object &rule)
{
	std::string name = rule.Get("name").ToString().Utf8Value();
	uint32_t action = rule.Get("action").ToNumber().Uint32Value();
	std::vector<struct scmp_arg_cmp> conditions = to_conditions(rule.Get("conditions").As<Napi::Array>());
	int number = seccomp_syscall_resolve_name(name.c_str());

	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(
		ctx, action, number, static_cast<unsigned int>(conditions.size()), conditions.data());
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

static Napi::Array highest_numbers(
	Napi::Env env, const std::vector<uint32_t> &architectures, const std::vector<std::string> &names)
{
	Napi::Array highest = Napi::Array::New(env);

	for (uint32_t architecture : architectures) {
		Napi::Object entry = Napi::Object::New(env);
		entry.Set("architecture", Napi::Number::New(env, architecture));
		entry.Set("number", Napi::Number::New(env, highest_number(architecture, names)));
		highest.Set(highest.Length(), entry);
	}
	return highest;
}

static int set_attributes(scmp_filter_ctx ctx, bool binary_tree)
{
	/* no_new_privs is an op of its own. */
	int ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);

	if (ret == 0 && binary_tree)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return ret;
}

/* Both return the index of what libseccomp refused in ret_index. */
static int add_architectures(
	scmp_filter_ctx ctx, const Napi::Array &wanted, std::vector<uint32_t> *added, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < wanted.Length(); i++) {
		uint32_t architecture = wanted.Get(i).ToNumber().Uint32Value();
		int ret = seccomp_arch_add(ctx, architecture);
		*ret_index = i;
		if (ret < 0 && ret != -EEXIST)
			return ret;
		if (ret == 0)
			added->push_back(architecture);
	}
	return 0;
}

static int add_rules(scmp_filter_ctx ctx, const Napi::Array &rules, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < rules.Length(); i++) {
		int ret = add_rule(ctx, rules.Get(i).As<Napi::Object>());
		*ret_index = i;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static Napi::Value compile(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Object request = info[0].As<Napi::Object>();
	std::vector<uint32_t> architectures = { seccomp_arch_native() };
	std::vector<uint8_t> bytes;
	uint32_t index = 0;

	context ctx(seccomp_init(request.Get("defaultAction").ToNumber().Uint32Value()), seccomp_release);
	int ret = ctx ? set_attributes(ctx.get(), request.Get("binaryTree").ToBoolean().Value()) : -EINVAL;
	if (ret < 0)
		return refusal(env, "init", 0, ret);
	Napi::Array wanted = request.Get("architectures").As<Napi::Array>();
	ret = add_architectures(ctx.get(), wanted, &architectures, &index);
	if (ret < 0)
		return refusal(env, "architecture", index, ret);
	ret = add_rules(ctx.get(), request.Get("rules").As<Napi::Array>(), &index);
	if (ret < 0)
		return refusal(env, "rule", index, ret);
	ret = export_filter(ctx.get(), &bytes);
	if (ret < 0)
		return refusal(env, "export", 0, ret);

	std::vector<std::string> names = to_strings(request.Get("names").As<Napi::Array>());
	Napi::Object answer = Napi::Object::New(env);
	answer.Set("ok", Napi::Boolean::New(env, true));
	answer.Set("filter", Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size()));
	answer.Set("unknown", unknown_names(env, names));
	answer.Set("highest", highest_numbers(env, architectures, names));
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
