// TlbArray: victims of each policy spelled out, sets, erasing, and a comparison with naive arrays over random operations.
#include "models/core/tlb_array.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "models/core/random.h"

namespace {

using namespace iommu::core;

/// Keys are letters, the data is the letter too.
constexpr std::uint64_t key(char letter) { return static_cast<std::uint64_t>(letter); }

/// Inserts letter by letter and returns the victims, '-' where nothing had to go.
std::string victims(TlbArray<char>& array, const std::string& letters, std::uint64_t set = 0) {
  std::string gone;
  for (const char letter : letters) {
    char evicted = '-';
    const bool displaced = array.insert(key(letter), set, letter, &evicted);
    CHECK(displaced == (evicted != '-'));
    gone += evicted;
  }
  return gone;
}

TEST_CASE("LRU: the entry that was not used for longest goes") {
  TlbArray<char> array(1, 4, Replacement::Lru);
  CHECK(victims(array, "ABCD") == "----");
  CHECK(*array.find(key('A'), 0) == 'A');
  CHECK(victims(array, "EFGH") == "BCDA");
  CHECK(*array.find(key('F'), 0) == 'F');
  CHECK(*array.find(key('E'), 0) == 'E');
  CHECK(victims(array, "IJKL") == "GHFE");
}

TEST_CASE("LRU: putting an entry in again counts as a use") {
  TlbArray<char> array(1, 3, Replacement::Lru);
  CHECK(victims(array, "ABC") == "---");
  CHECK(victims(array, "A") == "-");
  CHECK(victims(array, "DEF") == "BCA");
}

TEST_CASE("FIFO: the entry that came first goes, uses and re-insertions or not") {
  TlbArray<char> array(1, 4, Replacement::Fifo);
  CHECK(victims(array, "ABCD") == "----");
  CHECK(array.find(key('A'), 0) != nullptr);
  CHECK(victims(array, "A") == "-");
  CHECK(victims(array, "EFGH") == "ABCD");
}

TEST_CASE("PLRU: tree of bits, 4 ways") {
  TlbArray<char> array(1, 4, Replacement::Plru);
  CHECK(victims(array, "ABCD") == "----");
  CHECK(array.find(key('A'), 0) != nullptr);
  // A was used last: the other half is older, and of C and D there C.
  CHECK(victims(array, "EFGH") == "CBDA");
}

TEST_CASE("PLRU: not the same as LRU") {
  // After A B C D and uses of C and A, LRU would take B; the tree points to the half of C and D, and there to D.
  TlbArray<char> plru(1, 4, Replacement::Plru);
  TlbArray<char> lru(1, 4, Replacement::Lru);
  for (TlbArray<char>* array : {&plru, &lru}) {
    victims(*array, "ABCD");
    CHECK(array->find(key('C'), 0) != nullptr);
    CHECK(array->find(key('A'), 0) != nullptr);
  }
  CHECK(victims(plru, "E") == "D");
  CHECK(victims(lru, "E") == "B");
}

TEST_CASE("PLRU: 1, 2 and 64 ways") {
  TlbArray<char> one(1, 1, Replacement::Plru);
  CHECK(victims(one, "ABC") == "-AB");
  TlbArray<char> two(1, 2, Replacement::Plru);
  CHECK(victims(two, "AB") == "--");
  CHECK(two.find(key('A'), 0) != nullptr);
  CHECK(victims(two, "CDE") == "BAC");
  TlbArray<int> many(1, 64, Replacement::Plru);
  for (int i = 0; i < 64; ++i) CHECK_FALSE(many.insert(static_cast<std::uint64_t>(i) + 1, 0, i));
  // Filled in order without other uses, the order of eviction is that of the tree's leaves with their bits reversed.
  const int expected[] = {0, 32, 16, 48, 8, 40, 24, 56, 4};
  for (const int victim : expected) {
    int gone = -1;
    CHECK(many.insert(static_cast<std::uint64_t>(victim) + 1000, 0, 0, &gone));
    CHECK(gone == victim);
  }
}

TEST_CASE("random: the ways of xorshift64 from 9E3779B97F4A7C15, the same in every run") {
  for (int run = 0; run < 2; ++run) {
    TlbArray<int> array(1, 4, Replacement::Random);
    std::vector<int> ways;  // which way holds which data, by hand
    for (int i = 0; i < 4; ++i) {
      array.insert(static_cast<std::uint64_t>(i) + 1, 0, i);
      ways.push_back(i);
    }
    const std::size_t expected[] = {1, 2, 2, 0, 0, 1, 3, 2, 3, 2, 1, 3, 1, 2, 3, 3};
    for (int i = 4; i < 20; ++i) {
      int gone = -1;
      CHECK(array.insert(static_cast<std::uint64_t>(i) + 1, 0, i, &gone));
      const std::size_t way = expected[i - 4];
      CHECK(gone == ways[way]);
      ways[way] = i;
    }
  }
}

TEST_CASE("free ways are used before anything is evicted, whatever the policy") {
  for (const Replacement policy : {Replacement::Lru, Replacement::Fifo, Replacement::Random, Replacement::Plru}) {
    TlbArray<char> array(1, 4, policy);
    CHECK(victims(array, "ABCD") == "----");
    CHECK(array.size() == 4);
    CHECK(array.erase_if([](std::uint64_t, char c) { return c == 'B' || c == 'C'; }) == 2);
    CHECK(array.size() == 2);
    CHECK(victims(array, "EF") == "--");
    CHECK(array.size() == 4);
    CHECK(array.find(key('A'), 0) != nullptr);
    CHECK(array.find(key('B'), 0) == nullptr);
    CHECK(victims(array, "G") != "-");
    CHECK(array.size() == 4);
  }
}

TEST_CASE("sets: an index is taken modulo their number, and a set never takes another one's ways") {
  TlbArray<char> array(4, 2, Replacement::Lru);
  CHECK(array.capacity() == 8);
  CHECK(victims(array, "ABC", 1) == "--A");
  CHECK(victims(array, "DE", 2) == "--");
  CHECK(array.find(key('B'), 1) != nullptr);
  CHECK(array.find(key('B'), 5) != nullptr);
  CHECK(array.find(key('B'), 0xFFFFFFFFFFFFFFFD) != nullptr);
  CHECK(array.find(key('B'), 2) == nullptr);
  CHECK(victims(array, "F", 6) == "D");
  CHECK(array.find(key('C'), 1) != nullptr);
  CHECK(array.size() == 4);
}

TEST_CASE("the same key may stand in two sets") {
  TlbArray<int> array(2, 1, Replacement::Lru);
  array.insert(7, 0, 100);
  array.insert(7, 1, 200);
  CHECK(*array.find(7, 0) == 100);
  CHECK(*array.find(7, 1) == 200);
  CHECK(array.size() == 2);
}

TEST_CASE("putting in an existing key replaces its data and evicts nothing") {
  TlbArray<int> array(1, 2, Replacement::Lru);
  array.insert(1, 0, 10);
  array.insert(2, 0, 20);
  int evicted = -1;
  CHECK_FALSE(array.insert(1, 0, 11, &evicted));
  CHECK(evicted == -1);
  CHECK(*array.find(1, 0) == 11);
  CHECK(array.size() == 2);
}

TEST_CASE("peek is not a use") {
  TlbArray<char> array(1, 2, Replacement::Lru);
  victims(array, "AB");
  CHECK(*array.peek(key('A'), 0) == 'A');
  CHECK(array.peek(key('Z'), 0) == nullptr);
  CHECK(victims(array, "C") == "A");
}

TEST_CASE("find gives access to the data in place") {
  TlbArray<int> array(1, 2, Replacement::Lru);
  array.insert(1, 0, 10);
  *array.find(1, 0) = 99;
  CHECK(*array.peek(1, 0) == 99);
}

TEST_CASE("a miss is no use of anything, and what is there is no miss") {
  for (const std::uint32_t ways : {2u, 16u}) {
    TlbArray<char> array(1, ways, Replacement::Lru);
    victims(array, "AB");
    CHECK(array.misses(key('C'), 0));
    CHECK_FALSE(array.misses(key('A'), 0));
    CHECK_FALSE(array.misses(key('B'), 0));
    if (ways == 2) CHECK(victims(array, "C") == "A");
  }
  TlbArray<char> none(0, 0, Replacement::Lru);
  CHECK(none.misses(key('A'), 0));
}

TEST_CASE("a key that was missed is put in once, whatever comes in between") {
  for (const Replacement policy : {Replacement::Lru, Replacement::Fifo, Replacement::Plru}) {
    for (const std::uint32_t ways : {2u, 16u}) {
      INFO("policy " << static_cast<int>(policy) << ", " << ways << " ways");
      // Two sets; key 1 stands in set 0, and is missed in set 1.
      TlbArray<int> array(2, ways, policy);
      for (std::uint32_t i = 0; i < ways; ++i) {
        array.insert(1 + i, 0, 100);
        array.insert(1001 + i, 1, 100);
      }
      CHECK(array.misses(1, 1));
      CHECK_FALSE(array.insert(1, 0, 101));  // there already
      CHECK(array.find(1, 1) == nullptr);
      CHECK(array.insert(1, 1, 102));
      CHECK_FALSE(array.insert(1, 1, 103));  // no longer missing
      CHECK(*array.find(1, 0) == 101);
      CHECK(*array.find(1, 1) == 103);
      CHECK(array.size() == 2 * ways);
      // Another one is put in first.
      CHECK(array.misses(5000, 1));
      CHECK(array.insert(5001, 1, 104));
      CHECK(array.insert(5000, 1, 105));
      CHECK_FALSE(array.insert(5000, 1, 106));
      CHECK(array.size() == 2 * ways);
      // The set has room again by then.
      CHECK(array.misses(6000, 0));
      const std::size_t erased = ways == 2 ? 1 : 2;
      CHECK(array.erase_if([](std::uint64_t k, int) { return k == 1; }) == erased);
      CHECK_FALSE(array.insert(6000, 0, 107));
      CHECK(array.size() == 2 * ways - erased + 1);
      CHECK(*array.find(6000, 0) == 107);
    }
  }
}

TEST_CASE("a key that was seen to be missing takes the oldest one's place, until another one has come") {
  TlbArray<int> array(1, 16, Replacement::Lru);
  CHECK(array.replace_missed(500) == nullptr);
  CHECK(array.misses_at_once(500, 0));
  CHECK(array.replace_missed(500) == nullptr);  // there is room
  for (int i = 0; i < 16; ++i) array.insert(1 + static_cast<std::uint64_t>(i), 0, i);
  CHECK(array.replace_missed(500) == nullptr);  // others have come since
  CHECK_FALSE(array.misses_at_once(1, 0));
  CHECK(array.misses_at_once(500, 0));
  CHECK(array.misses(600, 0));
  CHECK(array.find(700, 0) == nullptr);
  CHECK(array.replace_missed(600) == nullptr);  // not seen at one look
  int* data = array.replace_missed(500);
  REQUIRE(data != nullptr);
  CHECK(*data == 0);
  *data = 50;
  CHECK(array.replace_missed(500) == nullptr);  // once
  CHECK(*array.find(500, 0) == 50);
  CHECK(array.find(600, 0) == nullptr);
  CHECK(array.find(700, 0) == nullptr);
  CHECK(array.find(1, 0) == nullptr);
  CHECK(array.size() == 16);
  // Nor over itself when it is the oldest, wherever it stands.
  int tried = 0;
  for (std::uint64_t one = 1000; one < 1100; ++one) {
    if (!array.misses_at_once(one, 0) || array.replace_missed(one) == nullptr) continue;
    for (std::uint64_t k = 2; k < one; ++k) static_cast<void>(array.find(k, 0));
    CHECK(array.replace_missed(one) == nullptr);
    ++tried;
  }
  CHECK(tried > 3);
  TlbArray<int> none(0, 0, Replacement::Lru);
  CHECK_FALSE(none.misses_at_once(1, 0));
  CHECK(none.replace_missed(1) == nullptr);
}

TEST_CASE("a key's place says what stood there") {
  using Before = TlbArray<int>::Before;
  TlbArray<int> array(1, 2, Replacement::Lru);
  CHECK(array.place_for(1, 0).before == Before::Nothing);
  *array.find(1, 0) = 10;
  *array.place_for(2, 0).data = 20;
  const auto same = array.place_for(1, 0);
  CHECK(same.before == Before::SameKey);
  CHECK(*same.data == 10);
  const auto victim = array.place_for(3, 0);
  CHECK(victim.before == Before::Victim);
  CHECK(*victim.data == 20);
  CHECK(array.find(2, 0) == nullptr);
  CHECK(array.find(3, 0) == victim.data);
}

TEST_CASE("erased entries are not found, and come back when they are put in again") {
  TlbArray<char> array(1, 4, Replacement::Lru);
  victims(array, "ABCD");
  CHECK(array.find(key('D'), 0) != nullptr);
  CHECK(array.erase_if([](std::uint64_t, char) { return true; }) == 4);
  CHECK(array.size() == 0);
  for (const char c : std::string("ABCD")) CHECK(array.find(key(c), 0) == nullptr);
  CHECK(array.erase_if([](std::uint64_t, char) { return true; }) == 0);
  CHECK(victims(array, "D") == "-");
  CHECK(*array.find(key('D'), 0) == 'D');
}

TEST_CASE("erase_if sees keys and data of what is there, once each") {
  TlbArray<int> array(2, 2, Replacement::Lru);
  array.insert(1, 0, 10);
  array.insert(2, 1, 20);
  array.insert(3, 1, 30);
  std::map<std::uint64_t, int> seen;
  array.erase_if([&](std::uint64_t k, int data) {
    seen[k] += data;
    return false;
  });
  CHECK(seen == std::map<std::uint64_t, int>{{1, 10}, {2, 20}, {3, 30}});
  CHECK(array.size() == 3);
}

TEST_CASE("arrays without sets or ways never hold anything") {
  for (const Replacement policy : {Replacement::Lru, Replacement::Fifo, Replacement::Random, Replacement::Plru}) {
    for (const auto& [sets, ways] : {std::pair{0u, 4u}, std::pair{4u, 0u}, std::pair{0u, 0u}}) {
      TlbArray<int> array(sets, ways, policy);
      int evicted = -1;
      CHECK_FALSE(array.insert(1, 0, 10, &evicted));
      CHECK(evicted == -1);
      CHECK(array.find(1, 0) == nullptr);
      CHECK(array.peek(1, 0) == nullptr);
      CHECK(array.erase_if([](std::uint64_t, int) { return true; }) == 0);
      CHECK(array.capacity() == 0);
      CHECK(array.size() == 0);
    }
  }
}

// --- Against naive arrays

/// Slow and obvious: a vector of ways a set, ages as lists, the PLRU tree as a map from ranges of ways to "which half is older".
class Naive {
 public:
  Naive(std::size_t sets, std::size_t ways, Replacement policy)
      : policy_(policy), sets_(sets, Set{std::vector<std::optional<std::pair<std::uint64_t, int>>>(ways), {}, {}}) {}

  bool has(std::uint64_t key_, std::uint64_t set_) const {
    const Set& set = sets_[set_ % sets_.size()];
    return std::any_of(set.ways.begin(), set.ways.end(),
                       [key_](const auto& way) { return way.has_value() && way->first == key_; });
  }
  std::optional<int> find(std::uint64_t key_, std::uint64_t set_) {
    Set& set = sets_[set_ % sets_.size()];
    for (std::size_t way = 0; way < set.ways.size(); ++way) {
      if (set.ways[way] && set.ways[way]->first == key_) {
        use(set, way);
        return set.ways[way]->second;
      }
    }
    return std::nullopt;
  }

  std::optional<int> insert(std::uint64_t key_, std::uint64_t set_, int data) {
    Set& set = sets_[set_ % sets_.size()];
    for (std::size_t way = 0; way < set.ways.size(); ++way) {
      if (set.ways[way] && set.ways[way]->first == key_) {
        set.ways[way]->second = data;
        use(set, way);
        return std::nullopt;
      }
    }
    std::optional<int> evicted;
    std::size_t way = 0;
    while (way < set.ways.size() && set.ways[way]) ++way;
    if (way == set.ways.size()) {
      way = policy_ == Replacement::Plru ? older(set, 0, set.ways.size()) : set.order.front();
      evicted = set.ways[way]->second;
    }
    set.ways[way] = {key_, data};
    move_to_back(set, way);
    use(set, way);
    return evicted;
  }

  std::size_t erase(std::uint64_t modulus) {
    std::size_t gone = 0;
    for (Set& set : sets_) {
      for (std::size_t way = 0; way < set.ways.size(); ++way) {
        if (set.ways[way] && set.ways[way]->first % modulus == 0) {
          set.ways[way].reset();
          set.order.erase(std::remove(set.order.begin(), set.order.end(), way), set.order.end());
          ++gone;
        }
      }
    }
    return gone;
  }

 private:
  struct Set {
    std::vector<std::optional<std::pair<std::uint64_t, int>>> ways;
    std::vector<std::size_t> order;                                      // oldest first
    std::map<std::pair<std::size_t, std::size_t>, bool> right_is_older;  // by range [first, first + count)
  };
  void move_to_back(Set& set, std::size_t way) {
    set.order.erase(std::remove(set.order.begin(), set.order.end(), way), set.order.end());
    set.order.push_back(way);
  }
  void use(Set& set, std::size_t way) {
    if (policy_ == Replacement::Lru) move_to_back(set, way);
    std::size_t first = 0;
    for (std::size_t count = set.ways.size(); count > 1; count /= 2) {
      const bool in_right = way >= first + count / 2;
      set.right_is_older[{first, count}] = !in_right;
      if (in_right) first += count / 2;
    }
  }
  std::size_t older(Set& set, std::size_t first, std::size_t count) {
    if (count == 1) return first;
    return set.right_is_older[{first, count}] ? older(set, first + count / 2, count / 2) : older(set, first, count / 2);
  }

  Replacement policy_;
  std::vector<Set> sets_;
};

TEST_CASE("against a naive array: 20,000 random operations for each policy and shape") {
  struct {
    std::uint32_t sets, ways;
  } const shapes[] = {{1, 1}, {1, 4}, {1, 16}, {4, 2}, {8, 4}, {16, 1}, {1, 64}, {4, 16}};
  for (const Replacement policy : {Replacement::Lru, Replacement::Fifo, Replacement::Plru}) {
    for (const auto& shape : shapes) {
      const std::uint64_t seed = 0xC0FFEE + shape.sets * 100 + shape.ways;
      INFO("policy " << static_cast<int>(policy) << ", " << shape.sets << " sets, " << shape.ways << " ways, seed "
                     << seed);
      Random random(seed);
      TlbArray<int> array(shape.sets, shape.ways, policy);
      Naive naive(shape.sets, shape.ways, policy);
      const std::uint64_t keys = 2u * shape.sets * shape.ways + 1;
      bool same = true;
      std::uint64_t seen = 0;  // to be missing, at one look
      int replaced = 0;
      for (int i = 0; i < 20000 && same; ++i) {
        const std::uint64_t k = 1 + random.below(keys);
        const std::uint64_t operation = random.below(120);
        if (operation < 15) {
          same = array.misses(k, k) == !naive.has(k, k);
        } else if (operation >= 110) {
          if (array.misses_at_once(k, k)) {
            same = !naive.has(k, k);
            seen = k;
          }
        } else if (operation >= 100) {
          // Mostly right after the look, sometimes long after it, or after looks for others.
          const bool look = !random.chance(1, 8);
          if (look && array.misses_at_once(k, k)) {
            same = !naive.has(k, k);
            seen = k;
          }
          const std::uint64_t another = 1 + random.below(keys);
          if (random.chance(1, 3)) same = same && array.misses(another, another) == !naive.has(another, another);
          if (int* data = array.replace_missed(seen == 0 ? k : seen)) {
            const auto expected = seen == 0 ? std::nullopt : naive.insert(seen, seen, i);
            same = same && expected.has_value() && *data == *expected;
            *data = i;
            seen = 0;
            ++replaced;
          }
        } else if (operation < 50) {
          const int* found = array.find(k, k);
          const auto expected = naive.find(k, k);
          same = (found != nullptr) == expected.has_value() && (found == nullptr || *found == *expected);
        } else if (operation < 98) {
          int gone = -1;
          const bool displaced = array.insert(k, k, i, &gone);
          const auto expected = naive.insert(k, k, i);
          seen = 0;
          same = displaced == expected.has_value() && (!displaced || gone == *expected);
        } else {
          const std::uint64_t modulus = 2 + random.below(3);
          same = array.erase_if([&](std::uint64_t kk, int) { return kk % modulus == 0; }) == naive.erase(modulus);
        }
        if (!same) FAIL_CHECK("differs at operation " << i);
      }
      const bool indexed = shape.ways > 8 && policy != Replacement::Plru;
      CHECK((indexed ? replaced > 40 : replaced == 0));
    }
  }
}

TEST_CASE("random replacement: 20,000 operations keep what was put in until it was evicted or erased") {
  const std::uint64_t seed = 0x5EED;
  CAPTURE(seed);
  Random random(seed);
  TlbArray<int> array(4, 8, Replacement::Random);
  std::map<std::uint64_t, int> there;
  std::map<int, std::uint64_t> key_of;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t k = 1 + random.below(64);
    if (random.below(2) == 0) {
      const int* found = array.find(k, k);
      REQUIRE((found != nullptr) == (there.count(k) != 0));
      if (found != nullptr) REQUIRE(*found == there[k]);
    } else {
      int gone = -1;
      if (array.insert(k, k, i, &gone)) {
        const std::uint64_t gone_key = key_of.at(gone);
        REQUIRE(gone_key % 4 == k % 4);
        REQUIRE(there.erase(gone_key) == 1);
      }
      there[k] = i;
      key_of[i] = k;
    }
    REQUIRE(array.size() == there.size());
  }
}

}  // namespace
