#include "serve/unsent_answers.h"

#include <new>

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

TEST(UnsentAnswers, AreDueWhenTheyAreManyOrTookLong) {
  FakeClock clock{EventTime{}};
  UnsentAnswers<int> unsent(clock);
  EXPECT_TRUE(unsent.empty());
  const auto answer = [&unsent](int number) {
    unsent.begin();
    unsent.add(number);
  };
  for (int i = 0; i < 15; ++i) {
    EXPECT_FALSE(unsent.are_due());
    answer(i);
  }
  EXPECT_FALSE(unsent.are_due());
  answer(15);
  EXPECT_TRUE(unsent.are_due());
  unsent.send_all([](int) {});

  clock.advance(Duration{1000});
  unsent.begin();
  clock.advance(Duration{100});  // that long its handler took
  unsent.add(1);
  EXPECT_TRUE(unsent.are_due());
  unsent.send_all([](int) {});

  answer(1);
  clock.advance(Duration{60});
  answer(2);
  EXPECT_FALSE(unsent.are_due());
  clock.advance(Duration{40});
  EXPECT_TRUE(unsent.are_due()) << "since the first was begun";
}

TEST(UnsentAnswers, WhatIsAnsweredWhileTheyAreSentWaitsForTheNextTime) {
  FakeClock clock{EventTime{}};
  UnsentAnswers<int> unsent(clock);
  unsent.add(1);
  unsent.add(2);
  std::vector<int> sent;
  unsent.send_all([&](int number) {
    sent.push_back(number);
    unsent.add(number + 10);
  });
  EXPECT_EQ(sent, (std::vector<int>{1, 2}));
  EXPECT_FALSE(unsent.empty());
  sent.clear();
  unsent.send_all([&](int number) { sent.push_back(number); });
  EXPECT_EQ(sent, (std::vector<int>{11, 12}));
  EXPECT_TRUE(unsent.empty());
}

TEST(UnsentAnswers, ThoseBehindOneAtWhichItThrowsAreSentTheNextTimeAndNoneTwice) {
  FakeClock clock{EventTime{}};
  UnsentAnswers<int> unsent(clock);
  for (int i = 1; i <= 3; ++i) {
    unsent.add(i);
  }
  std::vector<int> sent;
  const auto send = [&](int number) {
    sent.push_back(number);
    if (number == 2) {
      throw std::bad_alloc();
    }
  };
  EXPECT_THROW(unsent.send_all(send), std::bad_alloc);
  EXPECT_FALSE(unsent.empty());
  unsent.add(4);
  unsent.send_all(send);
  unsent.send_all(send);
  EXPECT_EQ(sent, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_TRUE(unsent.empty());
}

}  // namespace
}  // namespace assay::serve
