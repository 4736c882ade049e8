# Sidekiq on a Redis that was started for it; prints one line of JSON.
#   ruby sidekiq.rb enqueue PORT N | drain PORT N
require 'json'
require 'sidekiq'
require 'sidekiq/cli' if ARGV[0] == 'drain' # makes this process a server
require 'sidekiq/api'

command, port, jobs = ARGV[0], ARGV[1], ARGV[2].to_i
redis = { url: "redis://127.0.0.1:#{port}/0" }
Sidekiq.configure_client { |config| config.redis = redis }
Sidekiq.configure_server { |config| config.redis = redis }
Sidekiq.logger.level = Logger::ERROR
Redis.sadd_returns_boolean = false # Debian's Sidekiq is older than its Redis client

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# How often the job of each id ran.
class Tally
  attr_reader :runs

  def initialize(jobs)
    @runs = Array.new(jobs, 0)
    @missing = jobs
    @lock = Mutex.new
    @every_one = ConditionVariable.new
  end

  def count(id)
    @lock.synchronize do
      @runs[id] += 1
      @missing -= 1 if @runs[id] == 1
      @every_one.signal if @missing.zero?
    end
  end

  def wait = @lock.synchronize { @every_one.wait(@lock) until @missing.zero? }
end

class Noop
  include Sidekiq::Worker

  def perform(id) = TALLY.count(id)
end

if command == 'enqueue'
  began = now
  (0...jobs).each_slice(1000) do |ids|
    Sidekiq::Client.push_bulk('class' => Noop, 'args' => ids.map { |id| [id] })
  end
  puts({ jobs: jobs, seconds: now - began }.to_json)
else
  TALLY = Tally.new(jobs)
  cli = Sidekiq::CLI.instance
  cli.parse(['-r', __FILE__, '-c', '10'])
  began = nil
  Sidekiq.on(:startup) { began = now }
  Thread.new do
    TALLY.wait
    sleep 0.002 until Sidekiq::Queue.new.size.zero?
    seconds = now - began
    sleep 0.2 # in which a second run of a job would show
    puts({ jobs: jobs, seconds: seconds, all: TALLY.runs.sum, once: TALLY.runs.count(1) }.to_json)
    $stdout.flush
    Process.kill('TERM', Process.pid)
  end
  cli.run(boot_app: false)
end
