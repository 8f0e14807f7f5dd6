-- Sends the requests of a file with wrk. A line is METHOD <tab> path <tab> token or - <tab> body or -.
--   wrk ... -s requests.lua URL -- FILE THREADS again|once
-- Each of T threads takes every T-th line. With `once` a thread stops after its last line; with `again` it starts over.
-- The last line of the output is the result, as JSON.
local threads, requests, at = {}, {}, 0

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  local of, line_number = tonumber(arguments[2]), 0
  once, ran_out = arguments[3] == "once", 0
  for line in io.lines(arguments[1]) do
    if line_number % of == number then
      local method, path, token, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
      local headers = {}
      if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
      if body ~= "-" then headers["Content-Type"] = "application/json" else body = nil end
      requests[#requests + 1] = wrk.format(method, path, headers, body)
    end
    line_number = line_number + 1
  end
end

function request()
  at = at + 1
  if at > #requests then
    if once then
      ran_out = 1
      wrk.thread:stop()
    end
    at = 1
  end
  return requests[at]
end

function done(summary, latency)
  local threads_out = 0
  for _, thread in ipairs(threads) do threads_out = threads_out + thread:get("ran_out") end
  local failed = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d, "ran_out": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.status, failed.connect + failed.read + failed.write + failed.timeout, threads_out))
end
