-- wrk's side of a turn: what to send (from the environment), and the figures as JSON.
local body = tonumber(os.getenv("BODY") or "0")
if body > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", body)
end

-- With ACCOUNTS, each request names the next of so many accounts.
local accounts = tonumber(os.getenv("ACCOUNTS") or "0")
if accounts > 0 then
    local turn = 0
    function request()
        turn = turn % accounts + 1
        return wrk.format(nil, "/@a" .. turn .. wrk.path)
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %f, "bytes": %d, "errors": %d, "p50": %f, "p99": %f}\n',
        summary.requests, summary.duration / 1e6, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)
    ))
end
