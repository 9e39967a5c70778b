/* Conversions between JavaScript and C; see values.h. */
#include "values.h"

#include <cstring>

Napi::Error errno_error(Napi::Env env, const char *syscall, int error)
{
	Napi::Error made = Napi::Error::New(env, std::string(syscall) + ": " + strerror(error));

	made.Set("errno", Napi::Number::New(env, error));
	made.Set("syscall", Napi::String::New(env, syscall));
	return made;
}

Napi::Value throw_errno(Napi::Env env, const char *syscall, int error)
{
	errno_error(env, syscall, error).ThrowAsJavaScriptException();
	return env.Undefined();
}

Napi::Value throw_type(Napi::Env env, const char *message)
{
	Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
	return env.Undefined();
}

int int_at(const Napi::CallbackInfo &info, size_t index)
{
	return info[index].ToNumber().Int32Value();
}

uint32_t u32_at(const Napi::CallbackInfo &info, size_t index)
{
	return info[index].ToNumber().Uint32Value();
}

std::string string_at(const Napi::CallbackInfo &info, size_t index)
{
	return info[index].ToString().Utf8Value();
}

std::vector<std::string> to_strings(const Napi::Array &array)
{
	std::vector<std::string> strings;

	strings.reserve(array.Length());
	for (uint32_t i = 0; i < array.Length(); i++)
		strings.push_back(array.Get(i).ToString().Utf8Value());
	return strings;
}

std::vector<char *> to_pointers(std::vector<std::string> &strings)
{
	std::vector<char *> pointers;

	pointers.reserve(strings.size() + 1);
	for (std::string &s : strings)
		pointers.push_back(s.data());
	pointers.push_back(nullptr);
	return pointers;
}

std::vector<int> to_ints(const Napi::Array &array)
{
	std::vector<int> ints;

	ints.reserve(array.Length());
	for (uint32_t i = 0; i < array.Length(); i++)
		ints.push_back(array.Get(i).ToNumber().Int32Value());
	return ints;
}
