-- Does ARGV[1] (take, peek or add) to the counters KEYS in one step.
-- For counter i: ARGV[3i-1] window in ms, ARGV[3i] units per window, ARGV[3i+1] cost.
-- A counter is a hash of `end` (end of its window, ms since the epoch) and
-- `used` (units), which expires with the window.
-- Returns 1 if every cost fits, else 0; the server's time in ms; then end and
-- used of each counter. If something else is where a counter should be, it does
-- nothing and answers WRONGTYPE with the name.
local call = redis.call
-- Whether Redis can count on with a value, which is false if there is none.
local function countable(value) return not value or #value <= 18 and string.find(value, '^%d+$') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local fits, ends, used = 1, {}, {}
for i = 1, #KEYS do
	local window = tonumber(ARGV[3 * i - 1])
	ends[i], used[i] = now - now % window + window, 0
	local counter = redis.pcall('HMGET', KEYS[i], 'end', 'used')
	if counter.err and not string.find(counter.err, 'WRONGTYPE', 1, true) then return counter end
	if counter.err or not (countable(counter[1]) and countable(counter[2])) then
		return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is no counter')
	end
	local last = tonumber(counter[1])
	-- A window that has not begun yet was left by a server whose clock was ahead.
	if last and last >= ends[i] and last - ends[i] <= window then
		ends[i], used[i] = last, tonumber(counter[2]) or 0
	end
	-- Subtracting is exact up to 2^53, adding is not.
	if tonumber(ARGV[3 * i + 1]) > ARGV[3 * i] - used[i] then fits = 0 end
end
local reply = {fits, now}
for i = 1, #KEYS do
	if ARGV[1] == 'add' or ARGV[1] == 'take' and fits == 1 then
		if used[i] == 0 then
			call('HSET', KEYS[i], 'end', ends[i], 'used', ARGV[3 * i + 1])
			call('PEXPIREAT', KEYS[i], ends[i] + 1000)
		else
			call('HINCRBY', KEYS[i], 'used', ARGV[3 * i + 1])
		end
		used[i] = used[i] + ARGV[3 * i + 1]
	end
	reply[2 * i + 1], reply[2 * i + 2] = ends[i], used[i]
end
return reply
