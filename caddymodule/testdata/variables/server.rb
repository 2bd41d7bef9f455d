# Answers with the variables that a Rack application gets of a request.
require 'rack'
require 'rack/handler/webrick'

host, port = ARGV[0].split(':')
app = lambda do |env|
  lines = env.select { |_, value| value.is_a?(String) }.map { |name, value| "#{name}=#{value}\n" }
  [200, { 'Content-Type' => 'text/plain' }, lines]
end
Rack::Handler::WEBrick.run(app, Host: host, Port: port.to_i, AccessLog: [], Logger: WEBrick::Log.new(nil, 0))
