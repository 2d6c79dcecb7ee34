#include "platform/child_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <system_error>

namespace iommu::platform {

namespace {

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

/// A pipe that children don't inherit unless told to.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail(errno, "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  static void close_end(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }

  int read_end = -1;
  int write_end = -1;
};

class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    std::vector<std::string> words{"iommu-vp"};
    words.insert(words.end(), command.begin(), command.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output_.write_end, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors_.write_end, STDERR_FILENO);
    const int error = posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) fail(error, "posix_spawn");
    Pipe::close_end(output_.write_end);
    Pipe::close_end(errors_.write_end);
  }

  void add_to(std::vector<pollfd>& polled) const {
    for (const int end : {output_.read_end, errors_.read_end}) {
      if (end >= 0) polled.push_back({end, POLLIN, 0});
    }
  }

  /// Takes what has come on `end`, if that is one of the child's.
  void read_from(int end) {
    if (end == output_.read_end) take(output_.read_end, result_.output);
    if (end == errors_.read_end) take(errors_.read_end, result_.errors);
  }

  [[nodiscard]] bool streams_closed() const { return output_.read_end < 0 && errors_.read_end < 0; }

  void wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) fail(errno, "waitpid");
    }
    if (WIFSIGNALED(status)) {
      result_.exit_code = 128 + WTERMSIG(status);
      result_.errors += "ended by signal " + std::to_string(WTERMSIG(status)) + "\n";
    } else {
      result_.exit_code = WEXITSTATUS(status);
    }
  }

  [[nodiscard]] const ChildResult& result() const { return result_; }

 private:
  static void take(int& end, std::string& text) {
    std::array<char, 65536> buffer{};
    const ssize_t count = ::read(end, buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      Pipe::close_end(end);
    }
  }

  Pipe output_;
  Pipe errors_;
  pid_t pid_ = -1;
  ChildResult result_;
};

std::size_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

void run_children(const std::vector<std::vector<std::string>>& commands,
                  const std::function<void(std::size_t index, const ChildResult&)>& done, std::size_t jobs) {
  const std::size_t limit = jobs == 0 ? usable_processors() : jobs;
  std::vector<std::unique_ptr<Child>> children(commands.size());
  std::vector<std::size_t> running;
  std::vector<bool> finished(commands.size(), false);
  std::size_t next = 0;
  std::size_t shown = 0;
  while (shown < commands.size()) {
    while (next < commands.size() && running.size() < limit) {
      children[next] = std::make_unique<Child>(commands[next]);
      running.push_back(next++);
    }
    std::vector<pollfd> polled;
    for (const std::size_t index : running) children[index]->add_to(polled);
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) fail(errno, "poll");
    for (const pollfd& entry : polled) {
      if (entry.revents == 0) continue;
      for (const std::size_t index : running) children[index]->read_from(entry.fd);
    }
    for (auto index = running.begin(); index != running.end();) {
      if (!children[*index]->streams_closed()) {
        ++index;
        continue;
      }
      children[*index]->wait();
      finished[*index] = true;
      index = running.erase(index);
    }
    for (; shown < commands.size() && finished[shown]; ++shown) {
      done(shown, children[shown]->result());
      children[shown].reset();
    }
  }
}

}  // namespace iommu::platform
