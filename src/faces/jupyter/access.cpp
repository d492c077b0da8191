#include "faces/jupyter/access.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "protocol/constant_time.hpp"
#include "protocol/mime.hpp"

namespace perijove {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool authorization_matches(std::string_view value, const std::string& token) {
  value = trim(value);
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view scheme = value.substr(0, space);
  const std::string_view credentials = trim(value.substr(space));
  if (equal_ignoring_case(scheme, "token") || equal_ignoring_case(scheme, "bearer")) {
    return equal_in_constant_time(credentials, token);
  }
  if (!equal_ignoring_case(scheme, "basic")) return false;
  const auto decoded = decode_mime("application/octet-stream", credentials);
  if (!decoded) return false;
  const std::size_t colon = decoded->find(':');
  return colon != std::string::npos &&
         equal_in_constant_time(std::string_view(*decoded).substr(colon + 1), token);
}

bool has_valid_token(const JupyterFaceOptions& options, const HttpRequest& request) {
  if (options.token.empty()) return false;
  if (authorization_matches(request.header("Authorization"), options.token)) return true;
  const auto argument = request.argument("token");
  return argument && equal_in_constant_time(*argument, options.token);
}

// "http://127.0.0.1:8888" and "http://[::1]:8888" without scheme.
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

std::string host_name(std::string_view authority) {
  if (authority.starts_with('[')) {
    return std::string(authority.substr(1, authority.find(']') - 1));
  }
  return std::string(authority.substr(0, authority.find(':')));
}

bool origin_allowed(const JupyterFaceOptions& options, std::string_view origin) {
  return std::any_of(options.allow_origins.begin(), options.allow_origins.end(),
                     [&](const std::string& each) { return each == "*" || each == origin; });
}

bool host_allowed(const JupyterFaceOptions& options, std::string_view authority) {
  if (authority.empty()) return true;  // HTTP/1.0; a browser always sends one
  const std::string host = host_name(authority);
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (!not_an_address || equal_ignoring_case(host, "localhost")) return true;
  return std::any_of(
      options.allow_hosts.begin(), options.allow_hosts.end(),
      [&](const std::string& each) { return each == "*" || equal_ignoring_case(each, host); });
}

}  // namespace

Access check_access(const JupyterFaceOptions& options, const HttpRequest& request) {
  Access access;
  const bool token_given = has_valid_token(options, request);
  const std::string_view origin = request.header("Origin");
  const bool wildcard = origin_allowed(options, "*");

  if (wildcard && !options.allow_credentials) {
    access.cors_headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else if (!origin.empty() && (origin_allowed(options, origin) || token_given)) {
    access.cors_headers.emplace_back("Access-Control-Allow-Origin", origin);
    access.cors_headers.emplace_back("Vary", "Origin");
  }
  if (options.allow_credentials) {
    access.cors_headers.emplace_back("Access-Control-Allow-Credentials", "true");
  }
  access.cors_headers.emplace_back("Access-Control-Expose-Headers", options.expose_headers.empty()
                                                                        ? "Location"
                                                                        : options.expose_headers);
  access.preflight_headers = {
      {"Access-Control-Allow-Headers", options.allow_headers.empty()
                                           ? "accept, content-type, authorization, x-xsrftoken"
                                           : options.allow_headers},
      {"Access-Control-Allow-Methods", options.allow_methods.empty()
                                           ? "GET, PUT, POST, PATCH, DELETE, OPTIONS"
                                           : options.allow_methods}};
  if (!options.max_age.empty()) {
    access.preflight_headers.emplace_back("Access-Control-Max-Age", options.max_age);
  }
  // A preflight carries no token by design; its answer gives nothing away.
  if (request.method == "OPTIONS" && !origin.empty() && access.cors_headers.size() == 1 &&
      !options.token.empty()) {
    access.cors_headers.emplace_back("Access-Control-Allow-Origin", origin);
    access.cors_headers.emplace_back("Vary", "Origin");
  }

  if (token_given) return access;
  if (!options.token.empty()) {
    access.refused_status = 401;
    access.refused_message =
        "Unauthorized: give the gateway's token as ?token=T or as the header Authorization: token "
        "T";
    return access;
  }
  if (!host_allowed(options, request.header("Host"))) {
    access.refused_status = 403;
    access.refused_message =
        "Forbidden: requests for this Host are not answered; add it with --allow-host";
  } else if (!origin.empty() && !origin_allowed(options, origin) &&
             !equal_ignoring_case(authority_of(origin), request.header("Host"))) {
    access.refused_status = 403;
    access.refused_message =
        "Forbidden: cross-origin request; allow this Origin with --allow-origin, or use a token";
  }
  return access;
}

}  // namespace perijove
